"""Rows that say the same, and rows that contradict each other, found by sorting digests."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.training.mixing.checks import Drop
from app.training.mixing.spool import RowSpool
from app.types import TaskType


@dataclass(frozen=True, slots=True)
class Remaining:
    """Which rows stay, and by task and reason how many do not."""

    kept: NDArray[np.bool_]
    dropped: Counter[tuple[str, Drop]]


def without_duplicates(spool: RowSpool) -> Remaining:
    """Of rows with one normal prompt, over all tasks, those that can be learnt from together.

    The same answer again: the row with the smallest key stays. Different answers: nothing says which is right, so all
    of them go; but of free texts, where several may be good, the one with the smallest key stays.
    """
    key, prompt, answer = (spool.column(name) for name in ("key", "prompt", "answer"))
    kept = np.ones(len(spool), dtype=bool)
    order = np.lexsort((key, answer, prompt))
    again = _repeats(prompt[order]) & _repeats(answer[order])
    kept[order[again]] = False
    dropped = _counted(spool, order[again], Drop.EXACT_DUPLICATE)

    rest = np.flatnonzero(kept)
    rest = rest[np.lexsort((key[rest], prompt[rest]))]
    later = _repeats(prompt[rest])
    first = np.zeros(len(rest), dtype=bool)
    first[:-1] = later[1:] & ~later[:-1]
    contradicting = rest[later | (first & ~_has_free_text(spool, rest))]
    kept[contradicting] = False
    return Remaining(kept, dropped + _counted(spool, contradicting, Drop.CONFLICT))


def _repeats(numbers: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which numbers of a sorted list equal the one before."""
    same = np.zeros(len(numbers), dtype=bool)
    same[1:] = numbers[1:] == numbers[:-1]
    return same


def _has_free_text(spool: RowSpool, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
    free = [spool.examples[name].task_type is TaskType.GENERATION for name in spool.names]
    return np.array(free, dtype=bool)[spool.tasks[rows]]


def _counted(spool: RowSpool, rows: NDArray[np.intp], reason: Drop) -> Counter[tuple[str, Drop]]:
    names = spool.names
    found, counts = np.unique(spool.tasks[rows], return_counts=True)
    return Counter({(names[task], reason): int(n) for task, n in zip(found, counts, strict=True)})
