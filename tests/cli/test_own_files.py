"""Files as people bring them, from questions to answers to a score: `route`, `predict`, `evaluate` and `convert`."""

import csv
import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from app.cli.main import cli
from app.errors import InputError
from app.evaluation.answers import read_answers
from app.evaluation.datasets.reading import read_dataset
from app.evaluation.evaluation import evaluate
from app.files import open_bytes
from app.jobs.file_job import FileJob
from app.jobs.formats.choosing import input_format
from app.tables.columns import parse_columns
from app.tables.readers import read_raw
from app.tables.writers import write_table
from tests.jobs.scripted_job import answer
from tests.jobs.stepped_engine import SteppedEngine

PROMPT = "Which is item {}?\n0. cup\n1. rope\n2. nail\n3. book\nAnswer:"
ENDINGS = [".jsonl", ".json", ".csv", ".parquet", ".jsonl.gz", ".csv.GZ", ".parquet.gz"]


def run(*words: object, given: bytes = b"") -> str:
    """Standard output of a command that ends well; what it raises passes."""
    done = CliRunner().invoke(cli, [str(word) for word in words], input=given, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def refusal(*words: object) -> str:
    """The one line that a command refuses with."""
    with pytest.raises(InputError) as told:
        run(*words)
    assert "\n" not in str(told.value)
    return str(told.value)


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    """The rows in the kind of file that the name says, ids as numbers where they are."""
    if ".parquet" in path.name:
        plain = path.with_suffix("") if path.suffix == ".gz" else path
        pq.write_table(pa.Table.from_pylist(rows), plain)
        content = plain.read_bytes()
    elif ".csv" in path.name:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        content = path.read_bytes()
    else:
        content = (json.dumps(rows) if path.suffix == ".json" else "\n".join(map(json.dumps, rows))).encode()
    path.write_bytes(gzip.compress(content) if path.suffix.lower() == ".gz" else content)
    return path


def samples(ids: Iterable[object]) -> list[dict[str, Any]]:
    return [
        {"id": one, "prompt": PROMPT.format(n), "is_multiple_choice": True, "metric": "accuracy", "gold": n % 4}
        for n, one in enumerate(ids)
    ]


def lines(path: Path) -> list[dict[str, Any]]:
    with open_bytes(path) as file:
        return [json.loads(line) for line in file]


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("ids", [[1.0, 2.0, 3.0, 4.0, 5.0], [" a ", "b c", "7.0", "8", "9"], [3, 2, 1, 0, 4]], ids=str)
def test_every_reader_has_the_same_ids(tmp_path: Path, ids: list[object], ending: str) -> None:
    data = write(tmp_path / f"data{ending}", samples(ids))
    run("route", data, tmp_path / "types.jsonl")
    answer(FileJob(data, tmp_path / "out.jsonl"), SteppedEngine())

    known = [sample.question.id for sample in read_dataset(data).samples]

    assert [row["id"] for row in lines(tmp_path / "types.jsonl")] == known
    assert [row["id"] for row in lines(tmp_path / "out.jsonl")] == known
    gold = [{"id": one, "answer": str(n % 4)} for n, one in enumerate(ids)]
    found = evaluate(data, write(tmp_path / f"gold{ending}", gold))
    assert found.report.overall.mean_over_tasks == 1


@pytest.mark.parametrize("missing", [None, float("nan"), "", "  "])
def test_a_row_without_an_id_is_known_by_its_number_everywhere(tmp_path: Path, missing: object) -> None:
    data = write(tmp_path / "data.jsonl", samples(["a", missing, "b"]))
    run("route", data, tmp_path / "types.jsonl")
    assert [row["id"] for row in lines(tmp_path / "types.jsonl")] == ["a", "1", "b"]
    assert [sample.question.id for sample in read_dataset(data).samples] == ["a", "1", "b"]


def test_rows_that_are_left_out_shift_no_other(tmp_path: Path) -> None:
    yes_no = {"input_field": "Is it so?", "output_field": "no", "metric": "bool"}
    rows = [
        {"input_field": PROMPT.format(n), "output_field": n % 4, "metric": "accuracy", "is_multiple_choice": True}
        for n in range(4)
    ]
    data = write(tmp_path / "PRP.json", [yes_no, rows[0], yes_no, *rows[1:]])
    answers = [{"id": n, "answer": str(row["output_field"])} for n, row in enumerate(json.loads(data.read_text()))]

    assert evaluate(data, write(tmp_path / "gold.jsonl", answers)).report.overall.mean_over_tasks == 1

    for without in (answers, answers[:3]):
        path = write(tmp_path / "order.jsonl", [{"answer": one["answer"]} for one in without])
        with pytest.raises(InputError, match="predictions without an 'id' for 4 samples"):
            evaluate(data, path)


def test_a_row_that_cannot_be_read_takes_no_other_rows_name(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"id": 1, "prompt": "x", "is_multiple_choice": false}\n{\n{"id": [1]}\n')
    done = CliRunner().invoke(cli, ["route", str(tmp_path / "in.jsonl"), str(tmp_path / "types.jsonl")])
    assert done.exit_code == 1
    assert [row["id"] for row in lines(tmp_path / "types.jsonl")] == ["1", "line 2", "line 3"]


@pytest.mark.parametrize("ending", ENDINGS)
def test_answers_are_scored_in_every_format_that_predict_writes(tmp_path: Path, ending: str) -> None:
    data = write(tmp_path / "data.jsonl", samples(range(8)))
    answer(FileJob(data, tmp_path / "plain.jsonl"), SteppedEngine())
    answer(FileJob(data, tmp_path / f"out{ending}"), SteppedEngine())
    known = read_dataset(data).samples

    expected, found = (read_answers(tmp_path / name, known) for name in ("plain.jsonl", f"out{ending}"))

    assert found.answers == expected.answers


def test_answers_of_a_batch_are_scored_by_their_names(tmp_path: Path) -> None:
    asked: list[dict[str, Any]] = [
        {"custom_id": "0", "url": "/v1/predict", "body": {"prompt": PROMPT.format(0), "is_multiple_choice": True}},
        {"custom_id": "x", "url": "/v1/predict", "body": {"questions": [
            {"id": n, "prompt": PROMPT.format(n), "is_multiple_choice": True} for n in (1, 2)]}},
        {"custom_id": "3", "url": "/v1/chat/completions", "body": {
            "model": "stepped", "messages": [{"role": "user", "content": "Which?"}]}},
    ]  # fmt: skip
    write(tmp_path / "batch.jsonl", [{"method": "POST", **line} for line in asked])
    answer(FileJob(tmp_path / "batch.jsonl", tmp_path / "out.jsonl"), SteppedEngine())
    known = read_dataset(write(tmp_path / "data.jsonl", samples(range(4)))).samples

    found = read_answers(tmp_path / "out.jsonl", known)

    assert (found.by, found.missing, found.extra) == ("id", [], [])
    assert all(one is not None and one.answer for one in found.answers)

    done = CliRunner().invoke(cli, ["route", str(tmp_path / "batch.jsonl"), str(tmp_path / "types.csv")])
    assert done.exit_code == 1
    types = [dict(row.values) for row in read_raw(tmp_path / "types.csv")]
    assert [(row["id"], row["task_type"]) for row in types] == [
        ("0", "multiple-choice"), ("1", "multiple-choice"), ("2", "multiple-choice"), ("3", ""),
    ]  # fmt: skip
    assert "a conversation is asked as it is" in types[3]["error"]


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("out", [".csv", ".jsonl", ".parquet"])
def test_a_table_of_ones_own_goes_from_questions_to_a_score(tmp_path: Path, ending: str, out: str) -> None:
    rows = [
        {"sku": f"s{n}", "question": f"Which is item {n}?", "choices": "cup|rope|nail|book", "label": "ABCD"[n % 4],
         "shop": "north, east", "outcome": "sold"}
        for n in range(8)
    ]  # fmt: skip
    data = write(tmp_path / f"in{ending}", rows)
    columns = "prompt=question,options=choices,gold=label,id=sku"
    named = parse_columns(columns)

    answer(FileJob(data, tmp_path / f"out{out}", columns=named), SteppedEngine())

    written = [dict(row.values) for row in read_raw(tmp_path / f"out{out}")]
    assert [(row["id"], row["shop"], row["input_outcome"], row["outcome"]) for row in written] == [
        (f"s{n}", "north, east", "sold", "clean") for n in range(8)
    ]
    right = sum(int(row["answer"]) == n % 4 for n, row in enumerate(written))
    assert evaluate(read_dataset(data, named), tmp_path / f"out{out}").report.overall.mean_over_tasks == right / 8
    assert [row.question for row in input_format(data, None, named).read(data)] == [
        sample.question for sample in read_dataset(data, named).samples
    ]
    run("convert", data, tmp_path / f"kit{out}", "--columns", columns)
    assert read_dataset(tmp_path / f"kit{out}").samples == read_dataset(data, named).samples


def test_free_answers_of_ones_own_say_how_they_are_scored(tmp_path: Path) -> None:
    rows = [
        {"question": "Why?", "choices": "", "label": "It is."},
        {"question": "Which?", "choices": "a|b", "label": "b"},
    ]
    data = write(tmp_path / "in.csv", rows)
    found = read_dataset(data, parse_columns("prompt=question,options=choices,gold=label"))
    assert [sample.metric for sample in found.samples] == ["sent-transformer", "accuracy"]
    assert found.notes == ["in.csv names no metric: answers that are no choice are scored by sent-transformer"]


def test_a_plain_text_file_is_a_question_a_line(tmp_path: Path) -> None:
    (tmp_path / "asked.txt").write_text("Write a title for a blue lamp.\n\nWrite a title for a rug.\n")
    assert [json.loads(line)["task_type"] for line in run("route", tmp_path / "asked.txt", "-").splitlines()] == [
        "generation", "generation",
    ]  # fmt: skip
    answer(FileJob(tmp_path / "asked.txt", tmp_path / "out.csv"), SteppedEngine())
    assert [row.values["id"] for row in read_raw(tmp_path / "out.csv")] == ["0", "1"]


def test_a_dash_is_standard_input_and_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    content = write(tmp_path / "in.jsonl", samples(["a"])).read_bytes()
    assert json.loads(run("route", "-", "-", given=content)) == {"id": "a", "task_type": "multiple-choice"}
    assert json.loads(run("convert", "-", "-", given=content))["id"] == "a"
    assert {path.name for path in tmp_path.iterdir()} == {"in.jsonl"}


@pytest.mark.parametrize("ending", [".jsonl", ".json", ".csv", ".parquet"])
def test_no_command_takes_half_a_gzip_file_for_a_whole_one(tmp_path: Path, ending: str) -> None:
    rows = [row | {"answer": "0"} for row in samples(range(400))]
    whole = gzip.compress(write(tmp_path / f"data{ending}", rows).read_bytes())
    half = tmp_path / f"half{ending}.gz"
    half.write_bytes(whole[: len(whole) - 20])
    good = write(tmp_path / "good.jsonl", samples(range(4)))
    for words in (
        ("route", half, tmp_path / "o.jsonl"),
        ("convert", half, tmp_path / "o.jsonl"),
        ("evaluate", half, "--predictions", good, "--report", tmp_path / "r"),
        ("evaluate", good, "--predictions", half, "--report", tmp_path / "r"),
        ("predict", half, tmp_path / "o.jsonl"),
    ):
        assert "not a whole gzip file" in refusal(*words)
    assert not (tmp_path / "o.jsonl").exists()


def test_no_command_overwrites_its_input_or_writes_into_it(tmp_path: Path) -> None:
    for folder in ("in", "r"):
        (tmp_path / folder).mkdir()
    data = write(tmp_path / "in" / "x.jsonl", samples("ab"))
    before = data.read_bytes()
    (tmp_path / "link.jsonl").symlink_to(data)
    (tmp_path / "hard.jsonl").hardlink_to(data)
    gold = write(tmp_path / "r" / "samples.jsonl", [{"id": one, "answer": "0"} for one in "ab"])
    for other in (data, tmp_path / "link.jsonl", tmp_path / "hard.jsonl"):
        for command in ("route", "convert", "predict"):
            assert "overwrite" in refusal(command, data, other)
            assert "overwrite" in refusal(command, other, data)
    assert "lie inside" in refusal("convert", tmp_path / "in", tmp_path / "in" / "out.jsonl")
    assert "lie inside" in refusal(
        "evaluate", tmp_path / "in", "--predictions", gold, "--report", tmp_path / "in" / "r"
    )
    assert "overwrite" in refusal("evaluate", data, "--predictions", gold, "--report", tmp_path / "r")
    assert data.read_bytes() == before


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.jsonl", "prompt,is_multiple_choice\nx,1\n".encode("utf-16"), "seems to be UTF-16 text"),
        ("a.jsonl", b"prompt,is_multiple_choice\nx,1\n", "seems to be CSV"),
        ("a.csv", b"question,price\nx,1\n", "has no column 'prompt'.*--columns, such as prompt=question"),
        ("a.jsonl", b'{"question": "x"}\n' * 30, "none of the first 20 rows can be asked; line 1: prompt: there is no"),
    ],
)
def test_a_wrong_file_is_found_before_the_engine_is_loaded(
    tmp_path: Path, name: str, content: bytes, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.predictor.create_predictor", lambda _: pytest.fail("loaded"))
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=says):
        run("predict", tmp_path / name, tmp_path / "out.jsonl")


def test_small_things_in_data_and_predictions(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"id": "a", "prompt": None, "task_name": float("nan"), "track": "",
         "input_field": "Extract the colour.", "metric": "micro f1", "gold": "[]",
         "is_multiple_choice": "0.0"},
        {"id": "b", "prompt": PROMPT.format(1), "metric": "accuracy", "gold": "1.0", "is_multiple_choice": "1.0"},
    ]  # fmt: skip
    data = read_dataset(write(tmp_path / "in.jsonl", rows))
    assert [(sample.question.prompt, sample.gold) for sample in data.samples] == [
        ("Extract the colour.", []), (PROMPT.format(1), 1),
    ]  # fmt: skip
    told: list[dict[str, Any]] = [
        {"id": "a", "answer": "", "seconds": float("nan")},
        {"id": "b", "answer": "1", "label_mass": float("nan")},
    ]
    answers = read_answers(write(tmp_path / "out.jsonl", told), data.samples).answers
    assert [(one.seconds, one.label_mass) for one in answers if one] == [(None, None), (None, None)]
    with pytest.raises(InputError, match=r"'outcome' is wrong: input should be .* \(given: 'CLEAN'\)"):
        read_answers(write(tmp_path / "out.jsonl", [{"id": "a", "answer": "", "outcome": "CLEAN"}]), data.samples)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_table_that_is_written_is_read_back(tmp_path: Path, ending: str) -> None:
    rows: list[dict[str, Any]] = [{"id": "a", "error": None}, {"id": "b\n日本", "error": {"code": "c", "message": "m"}}]
    assert write_table(tmp_path / f"a{ending}", ("id", "error"), rows) == 2
    found = [dict(row.values) for row in read_raw(tmp_path / f"a{ending}")] if ending != ".json" else rows
    assert [row["id"] for row in found] == ["a", "b\n日本"]
