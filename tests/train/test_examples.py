import json
from dataclasses import replace
from pathlib import Path

import pytest
from datasets import Dataset

from app.data.encoding import RowEncoder
from app.data.row import Capability
from app.engines.chat import load_chat_tokenizer
from app.errors import InputError, SetupError
from app.prompting import PromptLibrary
from app.settings import ROOT
from app.train.examples import CAPABILITIES, FEATURES, IGNORED, PlacedRow, check_answers, encode_rows, read_data
from tests.data.rows import make_rows, write_rows

ROWS = [PlacedRow(f"t.jsonl, line {number}", row) for number, row in enumerate(make_rows(5), start=1)]
LONG = PlacedRow("t.jsonl, line 9", replace(ROWS[3].row, prompt=ROWS[3].row.prompt + ", large" * 500))
HOPELESS = PlacedRow("t.jsonl, line 10", replace(ROWS[4].row, target="word " * 900))


@pytest.fixture(scope="module")
def encoder(checkpoint: Path) -> RowEncoder:
    return RowEncoder(load_chat_tokenizer(str(checkpoint)), PromptLibrary(ROOT / "prompts"), 700)


def test_only_the_answer_is_learnt(encoder: RowEncoder) -> None:
    examples = encode_rows(ROWS, encoder, "sqrt", "shorten")
    for placed, row in zip(ROWS, examples.data, strict=True):
        (encoded,) = encoder.encode(placed.row)
        start = len(encoded.prompt)
        assert row["input_ids"] == [*encoded.prompt, *encoded.answer]
        assert row["labels"] == [IGNORED] * start + list(encoded.answer)
        assert row["weights"][:start] == [0] * start
        assert set(row["capability"]) == {CAPABILITIES.index(placed.row.capability)}
    check_answers(examples.data, [placed.place for placed in ROWS], encoder.end_id, 700)


@pytest.mark.parametrize(("weighting", "exponent"), [("token", 1.0), ("sqrt", 0.5), ("row", 0.0)])
def test_what_an_answer_weighs(encoder: RowEncoder, weighting: str, exponent: float) -> None:
    for placed, row in zip(ROWS, encode_rows(ROWS, encoder, weighting, "shorten").data, strict=True):
        length = len(encoder.encode(placed.row)[0].answer)
        assert sum(row["weights"]) == pytest.approx(length**exponent)


def test_too_long_rows_are_shortened_or_dropped_and_counted(encoder: RowEncoder) -> None:
    rows = [*ROWS, LONG, HOPELESS]
    shortened = encode_rows(rows, encoder, "sqrt", "shorten")
    assert shortened.counts["prompt shortened"] == 1
    assert shortened.counts["too long, dropped"] == 1
    assert shortened.kept == list(range(len(ROWS) + 1))
    check_answers(shortened.data, [placed.place for placed in rows[:-1]], encoder.end_id, 700)
    dropped = encode_rows(rows, encoder, "sqrt", "drop")
    assert dropped.counts["too long, dropped"] == 2
    assert len(dropped.data) == len(ROWS)


@pytest.mark.parametrize("row", [LONG, HOPELESS])
def test_too_long_rows_can_be_refused_by_name(encoder: RowEncoder, row: PlacedRow) -> None:
    with pytest.raises(InputError, match=f"{row.place}.*raise max_length"):
        encode_rows([*ROWS, row], encoder, "sqrt", "refuse")


def test_no_row_left_and_no_target_are_errors(encoder: RowEncoder) -> None:
    with pytest.raises(InputError, match="all 1 rows are too long"):
        encode_rows([HOPELESS], encoder, "sqrt", "shorten")
    with pytest.raises(InputError, match="line 1: its target is empty"):
        encode_rows([replace(ROWS[0], row=replace(ROWS[0].row, target=" "))], encoder, "sqrt", "drop")


def columns(ids: list[int], labels: list[int]) -> Dataset:
    row = {"input_ids": ids, "labels": labels, "weights": [1.0] * len(ids), "capability": [0] * len(ids)}
    return Dataset.from_list([row], features=FEATURES)


@pytest.mark.parametrize(
    ("ids", "labels", "says"),
    [
        ([5, 6, 7], [IGNORED] * 3, "no token of it would be learnt"),
        ([5, 6, 7], [IGNORED, 6, 7], "its answer is cut before its end"),
        ([5, 6, 7, 8, 2], [IGNORED, 6, 7, 8, 2], "5 tokens are more than max_length 4"),
    ],
)
def test_data_that_would_teach_a_cut_answer_is_refused(ids: list[int], labels: list[int], says: str) -> None:
    with pytest.raises(InputError, match=f"^a place: {says}"):
        check_answers(columns(ids, labels), ["a place"], end_id=2, max_length=4)


def test_rows_are_read_by_capability_with_their_digests(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.jsonl", make_rows(10))
    rows, files = read_data([path], [Capability.MULTILINGUAL])
    assert [placed.place for placed in rows] == [f"{path}, line 5", f"{path}, line 10"]
    assert files[0].rows == 2
    assert files[0].capabilities == {"multilingual": 2}
    assert files[0].task_types == {"generation": 2}
    assert len(files[0].sha256) == 64


def test_rows_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.jsonl", make_rows(2))
    with pytest.raises(SetupError, match="no rows of multilingual in"):
        read_data([path], [Capability.MULTILINGUAL])
    with pytest.raises(InputError, match="cannot read .*none.jsonl"):
        read_data([tmp_path / "none.jsonl"], [])
    path.write_text(path.read_text() + "{broken\n")
    with pytest.raises(InputError, match="line 3 is not JSON"):
        read_data([path], [])
    write_rows(path, make_rows(1))
    whole = json.loads(path.read_text())
    path.write_text(json.dumps({name: value for name, value in whole.items() if name != "target"}) + "\n")
    with pytest.raises(InputError, match="line 1: a training row needs the field 'target'"):
        read_data([path], [])
