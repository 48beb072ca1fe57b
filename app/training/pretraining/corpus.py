"""The rows of a run: read from the mixture, without those that the sequence length has no room for."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.errors import InputError
from app.training.finetune.rows import DataFile, read_data
from app.training.row import TrainingRow

ANSWER_SHARE = 0.5
"""Rows whose answer takes more than this share of the sequence are left out: little of the question would remain."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """Rows to learn, how many there was no room for, and the file that they come from."""

    rows: tuple[TrainingRow, ...]
    file: DataFile
    too_long: int = 0

    def fitting(self, tokens_of: Callable[[str], int], length: int) -> "Corpus":
        """The rows whose answer fits, with a count of the others.

        Raises:
            InputError: no row is left.
        """
        kept = tuple(row for row in self.rows if tokens_of(row.target) <= ANSWER_SHARE * length)
        if not kept:
            raise InputError(f"{self.file.path}: every answer exceeds half of {length} tokens; raise 'sequence_length'")
        return Corpus(kept, self.file, len(self.rows) - len(kept))


def read_corpus(path: Path) -> Corpus:
    """Every row of the file.

    Raises:
        SetupError: the file cannot be read, or holds no row.
        InputError: a line is no training row.
    """
    placed, (file,) = read_data([path], ())
    return Corpus(tuple(one.row for one in placed), file)
