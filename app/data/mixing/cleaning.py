"""The rows that stay: task by task, after the checks of single rows, without duplicates and overlaps."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from app.data.mixing.checks import Drop, Repair, answer_content, check
from app.data.mixing.duplicates import EvaluationIndex, NearDuplicates, RowContent
from app.data.mixing.mixture import NearDuplicateSettings
from app.data.mixing.spool import RowSpool
from app.data.mixing.text import SAMPLED_ROWS, Fingerprint, Wording, digest, fingerprint, wording_of
from app.data.mixing.writing import Watch
from app.data.row import TrainingRow
from app.evaluate.scoring import Scorer
from app.types import TaskType


@dataclass(slots=True)
class Tally:
    """How many rows came, and what happened to them."""

    read: Counter[str] = field(default_factory=Counter)
    """By task."""
    read_by_source: Counter[str] = field(default_factory=Counter)
    sources: dict[str, set[str]] = field(default_factory=dict)
    """Of each task."""
    examples: dict[str, TrainingRow] = field(default_factory=dict)
    """The first row of each task, for what its rows share."""
    repaired: Counter[tuple[str, Repair]] = field(default_factory=Counter)
    dropped: Counter[tuple[str, Drop]] = field(default_factory=Counter)


class RowCheck:
    """The checks of single rows; what passes goes to the spool."""

    def __init__(self, spool: RowSpool, tally: Tally) -> None:
        """Count into `tally`."""
        self._spool = spool
        self._tally = tally
        self._scorer = Scorer()

    def take(self, row: TrainingRow, feed: str) -> None:
        """Check one row of the source that the mixture calls `feed`."""
        tally = self._tally
        tally.read[row.task] += 1
        tally.read_by_source[feed] += 1
        tally.sources.setdefault(row.task, set()).add(feed)
        tally.examples.setdefault(row.task, row)
        checked = check(row, self._scorer)
        tally.repaired.update((row.task, repair) for repair in checked.repairs)
        if checked.drop is None:
            self._spool.add(checked.row)
        else:
            tally.dropped[row.task, checked.drop] += 1


@dataclass(frozen=True, slots=True)
class TaskCleaning:
    """Overlaps and near duplicates of one task after another."""

    spool: RowSpool
    index: EvaluationIndex
    settings: NearDuplicateSettings
    tally: Tally
    watch: Watch

    def run(self, kept: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which of the kept rows stay. Of near duplicates it is the one with the smallest key."""
        self.watch.phase("Comparing", int(kept.sum()))
        clean = kept.copy()
        for task in sorted(self.spool.names):
            rows = self.spool.of_task(task, kept)
            clean[rows] = self._clean_task(rows)
        return clean

    def _clean_task(self, rows: NDArray[np.intp]) -> list[bool]:
        sample = self.spool.read(rows[:SAMPLED_ROWS])
        wording = wording_of(fingerprint(row.prompt) for row in sample)
        seen = NearDuplicates(self.settings)
        return [self._stays(row, wording, seen) for row in self.spool.read(rows)]

    def _stays(self, row: TrainingRow, wording: Wording, seen: NearDuplicates) -> bool:
        self.watch.advance()
        text = fingerprint(row.prompt)
        drop = self.index.overlap(row.prompt, text, wording)
        if drop is None and not seen.admit(_content(row, wording.content(text))):
            drop = Drop.NEAR_DUPLICATE
        if drop is not None:
            self.tally.dropped[row.task, drop] += 1
        return drop is None


def _content(row: TrainingRow, prompt: Fingerprint) -> RowContent:
    text = fingerprint(row.target).shingles if row.task_type is TaskType.GENERATION else frozenset[int]()
    return RowContent(prompt.shingles, digest(answer_content(row)), text)
