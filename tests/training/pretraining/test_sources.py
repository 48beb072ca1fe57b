import json
from collections import Counter
from pathlib import Path

import pytest

from app.errors import InputError, SetupError
from app.training.pretraining.sources import read_ec_guide, read_sources
from app.types import TaskType
from tests.training.pretraining.datasets import choice_row, ec_guide_row, write_data


def read(tmp_path: Path, *rows: dict[str, object], name: str = "PRP") -> tuple[list[str], Counter[str]]:
    path = tmp_path / f"{name}.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    faults: Counter[str] = Counter()
    return [f"{example.prompt}>{example.target}" for example in read_ec_guide(path, faults)], faults


def test_yes_or_no_rows_are_dropped_and_counted(tmp_path: Path) -> None:
    found, faults = read(tmp_path, ec_guide_row("Is it?", "yes", "multiple-choice", "bool"))
    assert found == []
    assert faults.total() == 1


def test_options_0_1_3_become_0_1_2(tmp_path: Path) -> None:
    row = ec_guide_row("Relation?\n0. a\n1. b\n3. c\nAnswer:", 2, "multiple-choice", "accuracy")
    found, faults = read(tmp_path, row)
    assert found == ["Relation?\n0. a\n1. b\n2. c\nAnswer:>2"]
    assert faults.total() == 1


def test_retrieval_keeps_the_first_three_numbers(tmp_path: Path) -> None:
    prompt = "Pick.\nProducts: 0. a\n1. b\n2. c\n3. d\n4. e"
    found, _ = read(tmp_path, ec_guide_row(prompt, "[0, 1, 3, 4]", "retrieval", "hit rate@3"))
    assert found == [f"{prompt}>0,1,3"]


def test_retrieval_gold_that_is_not_listed_is_dropped(tmp_path: Path) -> None:
    found, faults = read(tmp_path, ec_guide_row("Pick.\n1. a\n2. b", [5], "retrieval", "hit rate@3"))
    assert found == []
    assert faults.total() == 1


def test_label_as_text_and_spans_as_list(tmp_path: Path) -> None:
    rows = (
        ec_guide_row("Which?\n0. a\n1. b", "1", "multiple-choice", "accuracy"),
        ec_guide_row("Find: a b", ["a", "b"], "named_entity_recognition", "micro f1"),
    )
    found, _ = read(tmp_path, *rows)
    assert [text.rpartition(">")[2] for text in found] == ["1", "a, b"]


@pytest.mark.parametrize("text", ["{", "[1]", '[{"input_field": "x"}]'])
def test_another_schema_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "odd.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"odd\.json is not an EC-Guide sub-task"):
        list(read_ec_guide(path, Counter()))


def test_a_missing_data_set_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"set data\.folder"):
        list(read_sources(tmp_path, Counter()))


def test_every_type_but_ranking_is_read(tmp_path: Path) -> None:
    faults: Counter[str] = Counter()
    examples = list(read_sources(write_data(tmp_path), faults))
    assert {example.task_type for example in examples} == set(TaskType) - {TaskType.RANKING}
    spans = [example for example in examples if example.source == "ExtractGPT"]
    assert all(example.target == "red" for example in spans)
    assert faults["ExtractGPT: value not in the title, dropped"] == 40


def test_intention_lists_hold_their_gold(tmp_path: Path) -> None:
    examples = read_sources(write_data(tmp_path), Counter())
    for example in examples:
        if example.source == "IntentionQA list":
            line = next(line for line in example.prompt.splitlines() if line.startswith(f"{example.target}. "))
            assert "Spare part" in line


def test_published_rows_keep_their_prompt(tmp_path: Path) -> None:
    row = choice_row(3)
    found, _ = read(tmp_path, row, name="SAP")
    assert found == [f"{row['input_field']}>3"]
