"""Encoded rows are found again, and only where nothing that they depend on has changed."""

import os
from pathlib import Path

import pytest

from app.data.encoding import RowEncoder
from app.engines.chat import load_chat_tokenizer
from app.errors import InputError
from app.prompting import PromptLibrary
from app.train import encoded
from app.train.encoded import KEPT, encode_once
from app.train.examples import PlacedRow, encode_rows
from app.train.recipe import FinetuneConfig
from tests.data.rows import make_rows
from tests.train.runs import values_for

ROWS = [PlacedRow(f"t.jsonl, line {number}", row) for number, row in enumerate(make_rows(6), start=1)]
IDENTITY = {"model revision": "0a", "prompts": "1b"}


@pytest.fixture
def config(checkpoint: Path, tmp_path: Path) -> FinetuneConfig:
    return FinetuneConfig.model_validate(values_for(tmp_path, checkpoint))


def test_rows_are_encoded_once(config: FinetuneConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    first = encode_once(ROWS, config, IDENTITY)
    encoder = RowEncoder(load_chat_tokenizer(config.model), PromptLibrary(config.prompts), config.max_length)
    wanted = encode_rows(ROWS, encoder, config.answer_weighting, config.too_long)
    assert first.data.to_list() == wanted.data.to_list()
    assert (first.kept, first.counts) == (wanted.kept, wanted.counts)
    moved = [PlacedRow("moved.jsonl", placed.row) for placed in ROWS]
    with monkeypatch.context() as patch:
        patch.setattr(encoded, "encode_rows", None)
        again = encode_once(moved, config, IDENTITY)
    assert again.data.to_list() == wanted.data.to_list()
    assert again.counts == wanted.counts


def test_whatever_they_depend_on_has_a_name_of_its_own(config: FinetuneConfig) -> None:
    changes = ({"max_length": 500}, {"answer_weighting": "row"}, {"too_long": "drop"})
    for changed in (config, *(config.model_copy(update=change) for change in changes)):
        encode_once(ROWS, changed, IDENTITY)
    for name in IDENTITY:
        encode_once(ROWS, config, IDENTITY | {name: "other"})
    encode_once(ROWS[:-1], config, IDENTITY)
    assert len(list(config.encoded_folder.iterdir())) == 7


def test_rows_that_are_refused_leave_nothing(config: FinetuneConfig) -> None:
    with pytest.raises(InputError, match="t.jsonl, line 1: .*raise max_length"):
        encode_once(ROWS, config.model_copy(update={"max_length": 32, "too_long": "refuse"}), IDENTITY)
    assert list(config.encoded_folder.iterdir()) == []


def test_the_latest_used_stay(config: FinetuneConfig) -> None:
    encode_once(ROWS, config, IDENTITY)
    (first,) = config.encoded_folder.iterdir()
    for number in range(KEPT + 1):
        folder = config.encoded_folder / str(number)
        folder.mkdir()
        (folder / "about.json").touch()
        os.utime(folder, (number, number))
    encode_once(ROWS[:3], config, IDENTITY)
    left = {path.name for path in config.encoded_folder.iterdir()}
    assert first.name in left
    assert {"3", str(KEPT)} <= left
    assert not {"0", "1", "2"} & left
    assert len(left) == KEPT
