import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InputError
from app.files import dump
from app.rows import Row, prediction_row, read_rows
from app.types import Failure, Outcome, Prediction, Question, TaskType


def rows_of(tmp_path: Path, *lines: str | bytes) -> list[Row]:
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines))
    return list(read_rows(path))


def test_both_formats_are_read(tmp_path: Path) -> None:
    rows = rows_of(
        tmp_path,
        '{"id": "a", "prompt": "Pick one", "is_multiple_choice": true}',
        '{"input_field": "Explain", "is_multiple_choice": false, "metric": "bleu"}',
    )
    assert [row.question for row in rows] == [Question("a", "Pick one", True), Question("1", "Explain", False)]


@pytest.mark.parametrize("flag", ["", ', "is_multiple_choice": null', ', "is_multiple_choice": ""'])
def test_a_row_without_the_mark_is_a_question_whose_prompt_tells(tmp_path: Path, flag: str) -> None:
    (row,) = rows_of(tmp_path, '{"prompt": "Which?\\n0. mug\\n1. pot"' + flag + "}")
    assert row.question == Question("0", "Which?\n0. mug\n1. pot", None)


def test_blank_lines_do_not_count(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, "", '{"prompt": "x", "is_multiple_choice": false}', "  ", "", '{"prompt": ""}')
    assert [row.number for row in rows] == [0, 1]


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        ("{", "invalid_json", "line 1 is not JSON"),
        (b'{"prompt": "caf\xe9"}', "invalid_text", "line 1 is not UTF-8 text"),
        ("[" * 100_000, "invalid_json", "nested too deeply"),
        ("[1, 2]", "invalid_row", "not a JSON object but [1, 2]"),
        ('{"id": 1.5, "prompt": "x", "is_multiple_choice": true}', "invalid_id", "a text or a whole number"),
        ('{"id": Infinity}', "invalid_id", "a text or a whole number"),
        ('{"id": true}', "invalid_id", "a text or a whole number"),
        ('{"id": ["a"]}', "invalid_id", "a text or a whole number"),
        ('{"id": "\\ud83d"}', "invalid_id", "a text or a whole number"),
        ('{"id": 4}', "no_text", "put the question in 'prompt'"),
        ('{"custom_id": "a", "url": "/v1/predict", "body": {}}', "no_text", "--input-format openai"),
        ('{"prompt": "  ", "is_multiple_choice": true}', "no_text", "there is no text"),
        ('{"prompt": 5, "is_multiple_choice": true}', "no_text", "there is no text"),
        ('{"prompt": "\\ud83d", "is_multiple_choice": true}', "invalid_text", "surrogate"),
        ('{"prompt": "x", "is_multiple_choice": "maybe"}', "no_flag", "must be true or false, or left out"),
    ],
)
def test_a_bad_row_says_what_is_wrong_and_stops_nothing(tmp_path: Path, line: str, code: str, says: str) -> None:
    bad, good = rows_of(tmp_path, line, '{"prompt": "x", "is_multiple_choice": false}')
    assert bad.question is None
    assert bad.failure is not None
    assert bad.failure.code == code
    assert says in bad.failure.message
    assert "\n" not in bad.failure.message
    assert good.question == Question("1", "x", is_multiple_choice=False)


def test_a_bad_row_keeps_its_id(tmp_path: Path) -> None:
    first, second = rows_of(tmp_path, '{"id": "q7"}', '{"id": true}')
    assert (first.id, second.id) == ("q7", "line 2")


@pytest.mark.parametrize(
    ("given", "identity"),
    [
        ("17", "17"),
        ("17.0", "17"),
        ("-2e3", "-2000"),
        ('" 17.0"', "17"),
        ('"v1.0"', "v1.0"),
        ("null", "0"),
        ("NaN", "0"),
    ],
)
def test_whole_numbers_are_ids_however_they_are_written(tmp_path: Path, given: str, identity: str) -> None:
    (row,) = rows_of(tmp_path, f'{{"id": {given}, "prompt": "x", "is_multiple_choice": true}}')
    assert row.id == identity


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is empty: give rows with"):
        rows_of(tmp_path, "", "")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read .*nowhere.jsonl: No such file"):
        list(read_rows(tmp_path / "nowhere.jsonl"))


@given(st.lists(st.binary(max_size=80), min_size=1, max_size=20))
def test_any_bytes_give_one_row_a_line(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "in.jsonl"
    path.write_bytes(b"\n".join([b'{"prompt": "x", "is_multiple_choice": false}', *lines]))
    rows = list(read_rows(path))
    assert [row.number for row in rows] == list(range(len(rows)))
    assert all((row.question is None) != (row.failure is None) for row in rows)


def test_a_prediction_as_a_row() -> None:
    prediction = Prediction(
        "a",
        TaskType.MULTIPLE_CHOICE,
        "1",
        Outcome.CLEAN,
        label_probs={"0": 0.25, "1": 0.75},
        label_mass=0.5,
    )
    assert json.loads(dump(prediction_row(prediction, "abc"))) == {
        "id": "a",
        "task_type": "multiple-choice",
        "answer": "1",
        "outcome": "clean",
        "prompts": "abc",
        "label_probs": {"0": 0.25, "1": 0.75},
        "label_mass": 0.5,
    }


def test_the_models_own_text_stands_where_it_is_not_the_answer() -> None:
    repaired = Prediction("a", TaskType.RANKING, "2,1,3", Outcome.REPAIRED, raw="2 then 1")
    assert prediction_row(repaired, "abc")["raw"] == "2 then 1"
    clean = Prediction("a", TaskType.RANKING, "2,1,3", Outcome.CLEAN, raw="2,1,3")
    assert "raw" not in prediction_row(clean, "abc")


def test_an_error_as_a_row() -> None:
    prediction = Prediction("a", None, None, Outcome.ERROR, error=Failure("no_text", "row 0 has no text"))
    assert json.loads(dump(prediction_row(prediction, "abc"))) == {
        "id": "a",
        "task_type": None,
        "answer": None,
        "outcome": "error",
        "prompts": "abc",
        "error": {"code": "no_text", "message": "row 0 has no text"},
    }


@pytest.mark.parametrize(("mass", "told"), [(None, None), (0.0, 0.0), (0.123456789, 0.1235)])
def test_a_mass_that_nobody_measured_is_not_none_at_all(mass: float | None, told: float | None) -> None:
    prediction = Prediction(
        "a", TaskType.MULTIPLE_CHOICE, "1", Outcome.CLEAN, label_probs={"0": 0.25, "1": 0.75}, label_mass=mass
    )
    assert prediction_row(prediction, "f")["label_mass"] == told
