import csv
import json
from pathlib import Path
from typing import Any

import pytest

from app.data.row import Capability
from app.errors import InputError
from app.evaluation.datasets.kit import write_kit
from app.evaluation.datasets.reading import read_dataset
from app.evaluation.names import MULTILINGUAL, REASONING, UNDERSTANDING, track_number
from app.types import TaskType

KIT: dict[str, Any] = {
    "input_field": "Which colour is the lamp?\n0. red\n1. blue\nAnswer: ",
    "output_field": 1,
    "task_name": "task2",
    "task_type": "multiple-choice",
    "metric": "accuracy",
    "is_multiple_choice": True,
    "track": UNDERSTANDING,
}
EC: dict[str, Any] = {
    "input_field": "Extract the colour in 'blue lamp'.",
    "output_field": ["blue"],
    "task_type": "named_entity_recognition",
    "metric": "micro f1",
}


def lines(path: Path, *rows: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def without(row: dict[str, Any], *names: str, **others: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON value
    return {name: value for name, value in row.items() if name not in names} | others


def test_the_kits_lines(tmp_path: Path) -> None:
    [sample] = read_dataset(lines(tmp_path / "dev.json", KIT)).samples
    assert sample.question.id == "0"
    assert sample.question.is_multiple_choice
    assert (sample.task_name, sample.task_type, sample.metric) == ("task2", TaskType.MULTIPLE_CHOICE, "accuracy")
    assert (sample.gold, sample.track) == (1, UNDERSTANDING)


def test_a_training_rows_capability_is_its_track(tmp_path: Path) -> None:
    rows = [without(KIT, "track", capability=one.value) for one in Capability]
    samples = read_dataset(lines(tmp_path / "test.jsonl", *rows, KIT | {"capability": "multilingual"})).samples
    assert [track_number(sample.track) for sample in samples] == [1, 2, 3, 4, 1]


def test_listed_options_make_a_choice_where_nobody_says_and_one_of_them_is_the_label(tmp_path: Path) -> None:
    bare = {"prompt": KIT["input_field"], "gold": 1}
    [sample] = read_dataset(lines(tmp_path / "own.jsonl", bare)).samples
    assert sample.question.is_multiple_choice
    assert (sample.metric, sample.gold) == ("accuracy", 1)
    for other in (
        bare | {"gold": "a red lamp"},
        bare | {"is_multiple_choice": False},
        bare | {"prompt": "Explain a lamp."},
    ):
        with pytest.raises(InputError, match="metric"):
            read_dataset(lines(tmp_path / "other.jsonl", other))


@pytest.mark.parametrize(
    ("metric", "task_type", "written", "read"),
    [
        ("accuracy", "multiple-choice", "3", 3),
        ("accuracy", "multiple-choice", 2.0, 2),
        ("hit rate@3", "retrieval", "[1, 2]", [1, 2]),
        ("hit rate@3", "retrieval", 4, [4]),
        ("ndcg", "ranking", "[1, 0.01, 0]", [1, 0.01, 0]),
        ("micro f1", "named_entity_recognition", "['a, b', 'c']", ["a, b", "c"]),
        ("micro f1", "named_entity_recognition", "oak", ["oak"]),
        ("rougel", "generation", "['not', 'a list here']", "['not', 'a list here']"),
        ("sent-transformer", "generation", "['one', 'two']", ["one", "two"]),
        ("sent-transformer", "generation", ["one", "two"], ["one", "two"]),
        ("jp-bleu", "generation", "青いランプ", "青いランプ"),
    ],
)
def test_labels_as_python_literals_or_plain(
    tmp_path: Path, metric: str, task_type: str, written: object, read: object
) -> None:
    row = without(KIT, "is_multiple_choice", metric=metric, task_type=task_type, output_field=written)
    [sample] = read_dataset(lines(tmp_path / "a.jsonl", row)).samples
    assert sample.gold == read


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        ({"output_field": "blue"}, "output_field", "whole number"),
        ({"output_field": True}, "output_field", "whole number"),
        ({"metric": "hit rate@3", "task_type": "retrieval", "output_field": []}, "output_field", "at least one"),
        ({"metric": "ndcg", "task_type": "ranking", "output_field": [1, "2"]}, "output_field", "relevances"),
        ({"metric": "ndcg", "task_type": "ranking", "output_field": [1, 5000]}, "output_field", "0 to 100"),
        ({"metric": "rougel", "task_type": "generation", "output_field": " "}, "output_field", "not blank"),
        ({"metric": "micro f1", "task_type": "named_entity_recognition", "output_field": 3}, "output_field", "texts"),
        ({"metric": "f1"}, "metric", "accuracy"),
        ({"metric": 3}, "metric", "text"),
        ({"task_type": "ranking"}, "task_type", "does not go with"),
        ({"is_multiple_choice": False}, "is_multiple_choice", "true"),
        ({"input_field": ""}, "input_field", "not blank"),
    ],
)
def test_a_malformed_row_names_line_and_field(tmp_path: Path, change: dict[str, Any], field: str, says: str) -> None:
    bad = without(KIT, "is_multiple_choice") | change
    path = lines(tmp_path / "dev.json", KIT, KIT, bad)
    with pytest.raises(InputError) as caught:
        read_dataset(path)
    message = str(caught.value)
    assert f"dev.json, line 3: '{field}' " in message
    assert says in message
    assert "\n" not in message


def test_missing_fields_are_named(tmp_path: Path) -> None:
    for name in ("input_field", "output_field"):
        with pytest.raises(InputError, match=f"line 1: no field '{name}'"):
            read_dataset(lines(tmp_path / "dev.json", without(KIT, name)))


def test_text_that_is_no_json_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "dev.json"
    path.write_text(json.dumps(KIT) + "\n\n{'single': quotes}\n")
    with pytest.raises(InputError, match=r"dev.json, line 3(, row 2)? is not JSON"):
        read_dataset(path)
    path.write_text('[\n {"a": 1},\n {"a" 1}\n]')
    with pytest.raises(InputError, match=r"dev.json, line 3(, row 2)? is not JSON"):
        read_dataset(path)
    path.write_text(json.dumps([EC, EC], indent=1)[:-1])
    with pytest.raises(InputError, match=r"not closed"):
        read_dataset(path)
    path.write_text("[1, 2]")
    with pytest.raises(InputError, match=r"line 1 is not a JSON object"):
        read_dataset(path)
    path.write_text("[" * 100_000)
    with pytest.raises(InputError, match=r"line 1"):
        read_dataset(path)


@pytest.mark.parametrize("content", [b"", b"\n \n", b"[]", b"\xff\xfe{}"])
def test_files_without_rows_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "dev.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"empty|UTF-8"):
        read_dataset(path)


def test_places_without_data_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_dataset(tmp_path / "nowhere.json")
    with pytest.raises(InputError, match=r"holds no \.jsonl"):
        read_dataset(tmp_path)


def test_ids_must_be_unique(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'7' stands 2 times"):
        read_dataset(lines(tmp_path / "a.jsonl", KIT | {"id": 7}, KIT | {"id": "7"}))


def test_ec_guide_counts_yes_or_no_rows_out(tmp_path: Path) -> None:
    path = tmp_path / "EC-Guide" / "MCQ" / "PRP.json"
    path.parent.mkdir(parents=True)
    yes_no = without(EC, metric="bool", task_type="multiple-choice", output_field="no")
    choice = without(EC, metric="accuracy", task_type="multiple-choice", output_field="2")
    path.write_text(json.dumps([yes_no, choice, yes_no], indent=2))
    dataset = read_dataset(path)
    assert [(sample.task_name, sample.gold) for sample in dataset.samples] == [("MCQ/PRP", 2)]
    assert dataset.notes == ["2 rows of PRP.json left out: yes-or-no answers have no ShopBench metric"]
    path.write_text(json.dumps([yes_no]))
    with pytest.raises(InputError, match="no sample that can be scored"):
        read_dataset(path)


def test_an_array_knows_each_rows_line(tmp_path: Path) -> None:
    path = tmp_path / "NER.json"
    path.write_text("[\n" + json.dumps(EC) + ",\n\n" + json.dumps(EC | {"output_field": 5}) + "\n]")
    with pytest.raises(InputError, match="line 4, row 2: 'output_field'"):
        read_dataset(path)


def choices(
    path: Path, *rows: tuple[str, str, str], header: tuple[str, ...] = ("question", "choices", "answer")
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerows([header, *rows])
    return path


def test_shopping_mmlu_choices_are_asked_as_in_the_development_set(tmp_path: Path) -> None:
    path = choices(
        tmp_path / "multiple_choice" / "lamp_parts_dataset.csv",
        ("Which part\nof a lamp gives light?", "['bulb', 'foot', 'cord, long', 'shade']", "0"),
        ("Which is soft?", "['a', 'b']", "1"),
    )
    first, second = read_dataset(path).samples
    assert (
        first.question.prompt
        == "Which part\nof a lamp gives light?\n0. bulb\n1. foot\n2. cord, long\n3. shade\nAnswer: "
    )
    assert (first.task_name, first.gold, first.question.is_multiple_choice) == ("lamp_parts", 0, True)
    assert second.question.id == "1"


def test_a_rating_lists_no_options(tmp_path: Path) -> None:
    path = choices(tmp_path / "review_rating_prediction_dataset.csv", ("Rate it from 1 to 5: fine", "", "4"))
    [sample] = read_dataset(path).samples
    assert sample.question.prompt == "Rate it from 1 to 5: fine\nAnswer: "
    assert sample.gold == 4


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("Q", "['a' 'b']", "0"), "line 4: 'choices'"),
        (("Q", "a, b", "0"), "line 4: 'choices'"),
        (("Q", "['a', 'b']", "x"), "line 4: 'answer'"),
        ((" ", "['a', 'b']", "1"), "line 4: 'question'"),
    ],
)
def test_a_malformed_csv_row_names_its_line_after_quoted_newlines(
    tmp_path: Path, row: tuple[str, str, str], message: str
) -> None:
    path = choices(tmp_path / "t.csv", ("two\nlines", "['a', 'b']", "0"), row)
    with pytest.raises(InputError, match=message):
        read_dataset(path)


def test_csv_of_another_shape_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="line 2: no field 'metric'; found 'x', 'y', 'z'"):
        read_dataset(choices(tmp_path / "t.csv", ("a", "b", "c"), header=("x", "y", "z")))
    with pytest.raises(InputError, match="line 2 has 3 cells for 2 columns"):
        read_dataset(choices(tmp_path / "t.csv", ("a", "b", "c"), header=("question", "choices")))


@pytest.mark.parametrize(
    ("place", "target", "metric"),
    [
        ("retrieval/next_purchase_dataset.json", [1, 5], "hit rate@3"),
        ("ranking/query_product_ranking_dataset.json", [1, 0, 0.1], "ndcg"),
        ("named_entity_recognition/query_ner_dataset.json", ["oak"], "micro f1"),
        ("generation/aspect_extraction_dataset.json", "soft", "rougel"),
        ("generation/title_translation_dataset.json", "blaue Lampe", "bleu"),
        ("generation/title_translation_JP_dataset.json", "青い", "jp-bleu"),
        ("generation/multilingual_explain_dataset.json", "Licht", "multilingual-sent-transformer"),
        ("generation/explain_dataset.json", ["light", "lamp"], "sent-transformer"),
        ("query_product_ranking_dataset.json", [1, 0, 1], "ndcg"),
        ("unnamed.json", [3, 4], "hit rate@3"),
        ("unnamed.json", [0.1, 4], "ndcg"),
        ("unnamed.json", "text", "sent-transformer"),
    ],
)
def test_shopping_mmlus_metric_follows_from_folder_and_name(
    tmp_path: Path, place: str, target: object, metric: str
) -> None:
    [sample] = read_dataset(lines(tmp_path / place, {"input_field": "Q", "target_field": target})).samples
    assert sample.metric == metric
    assert sample.gold == target
    assert not sample.question.is_multiple_choice


def test_a_skill_file_names_its_track(tmp_path: Path) -> None:
    path = lines(tmp_path / "skills" / "skill2_reasoning.json", without(KIT, "track"))
    assert read_dataset(path).samples[0].track == REASONING


def test_a_folder_is_read_whole_and_once(tmp_path: Path) -> None:
    choices(tmp_path / "multiple_choice" / "b_dataset.csv", ("Q", "['a', 'b']", "0"))
    lines(tmp_path / "generation" / "multilingual_dataset.json", {"input_field": "Q", "target_field": "Licht"})
    lines(tmp_path / "skills" / "skill1.json", KIT)
    samples = read_dataset(tmp_path).samples
    assert [sample.question.id for sample in samples] == [
        "generation/multilingual_dataset/0",
        "multiple_choice/b_dataset/0",
    ]
    assert samples[0].track == MULTILINGUAL


def test_plain_lines_need_little(tmp_path: Path) -> None:
    row = {"id": "x1", "prompt": "Explain a lamp.", "metric": "sent-transformer", "gold": "It gives light."}
    [sample] = read_dataset(lines(tmp_path / "mine.jsonl", row)).samples
    assert (sample.question.id, sample.task_name, sample.task_type) == ("x1", "mine", TaskType.GENERATION)


def test_written_samples_read_the_same(tmp_path: Path) -> None:
    choices(tmp_path / "in" / "multiple_choice" / "b_dataset.csv", ("Qß日本", "['a', 'b']", "0"))
    lines(tmp_path / "in" / "ranking" / "r_dataset.json", {"input_field": "Q", "target_field": [1, 0.5]})
    samples = read_dataset(tmp_path / "in").samples
    target = tmp_path / "out" / "kit.json"
    assert write_kit(samples, target) == 2
    assert read_dataset(target).samples == samples
    assert set(KIT) <= set(json.loads(target.read_text(encoding="utf-8").splitlines()[0]))


def test_half_a_surrogate_pair_survives_writing(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(KIT | {"input_field": "bad \ud800 text"}) + "\n")
    samples = read_dataset(path).samples
    write_kit(samples, tmp_path / "b.json")
    assert read_dataset(tmp_path / "b.json").samples == samples
