"""Rows on disk, and of each only a few numbers in memory: 42 bytes a row."""

import json
from array import array
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import accumulate
from typing import IO

import numpy as np
from numpy.typing import NDArray

from app.data.mixing.checks import answer_of
from app.data.mixing.text import digest, normal
from app.data.row import TrainingRow, row_from_json


class Split(StrEnum):
    """The files of a mixture."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


SPLITS = tuple(Split)


def split_place(row: TrainingRow, seed: int) -> int:
    """64 bits that decide the row's split: the same for all rows of a group, or of a prompt that has none."""
    return digest("split", str(seed), normal(row.group or row.prompt))


def split_numbers(places: NDArray[np.uint64], fractions: Sequence[float]) -> NDArray[np.intp]:
    """For each place the position in `SPLITS` of the split whose part of the range holds it.

    `fractions` are those of `SPLITS`, in order; they add up to one.
    """
    bounds = np.array(list(accumulate(fractions))[:-1])
    # 53 bits: what a float holds exactly, so that nothing is rounded up to one.
    return np.searchsorted(bounds, (places >> np.uint64(11)) / 2.0**53, side="right")


Numbers = NDArray[np.uint64]


class RowSpool:
    """A file of rows with columns of digests. Row n is the n-th that was added."""

    def __init__(self, file: IO[bytes], seed: int) -> None:
        """An empty file, open for writing and reading."""
        self._file = file
        self._seed = seed
        self._size = 0
        self._columns = {name: array("Q") for name in ("offset", "key", "prompt", "answer", "place")}
        self._tasks = array("H")
        self._names: dict[str, int] = {}
        self.examples: dict[str, TrainingRow] = {}
        """The first row of each task, for what its rows share."""

    def __len__(self) -> int:
        return len(self._tasks)

    def add(self, row: TrainingRow) -> None:
        """Append a row.

        Raises:
            OSError: the disk takes no more.
        """
        line = json.dumps(row.to_json(), ensure_ascii=False)
        columns = self._columns
        columns["offset"].append(self._size)
        columns["key"].append(digest(str(self._seed), line))
        columns["prompt"].append(digest(normal(row.prompt)))
        columns["answer"].append(digest(answer_of(row)))
        columns["place"].append(split_place(row, self._seed))
        self._tasks.append(self._names.setdefault(row.task, len(self._names)))
        self.examples.setdefault(row.task, row)
        self._size += self._file.write(line.encode() + b"\n")

    def column(self, name: str) -> Numbers:
        """One of `offset`, `key`, `prompt`, `answer` and `place` for all rows.

        `key` depends on the seed and the whole row: its order is the order in which rows are preferred, whatever the
        order in which they were read.
        """
        return np.frombuffer(self._columns[name], dtype=np.uint64)

    @property
    def tasks(self) -> NDArray[np.uint16]:
        """Each row's task, as its position in `names`."""
        return np.frombuffer(self._tasks, dtype=np.uint16)

    @property
    def names(self) -> list[str]:
        """Names of the tasks."""
        return list(self._names)

    def of_task(self, name: str, kept: NDArray[np.bool_]) -> NDArray[np.intp]:
        """The kept rows of a task by key."""
        rows = np.flatnonzero((self.tasks == self._names[name]) & kept)
        return rows[np.argsort(self.column("key")[rows], kind="stable")]

    def read(self, rows: Iterable[int]) -> Iterator[TrainingRow]:
        """These rows, in this order, from the file."""
        offsets = self._columns["offset"]
        for row in rows:
            self._file.seek(offsets[row])
            yield row_from_json(json.loads(self._file.readline()))
