from pathlib import Path

import pytest

from app.errors import InputError, SetupError
from app.training.pretraining.corpus import read_corpus
from tests.training.pretraining.rows import write_rows


def test_rows_whose_answer_takes_half_the_sequence_are_left_out_and_counted(tmp_path: Path) -> None:
    corpus = read_corpus(write_rows(tmp_path / "train.jsonl", 4))
    fitting = corpus.fitting(len, 10)
    assert len(corpus.rows) == 20
    assert fitting.too_long == sum(len(row.target) > 5 for row in corpus.rows) > 0
    assert all(len(row.target) <= 5 for row in fitting.rows)


def test_no_row_that_fits_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="sequence_length"):
        read_corpus(write_rows(tmp_path / "train.jsonl", 1)).fitting(len, 1)


def test_a_missing_file_names_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="shopbench data build"):
        read_corpus(tmp_path / "absent.jsonl")
