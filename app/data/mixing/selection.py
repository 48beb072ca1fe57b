"""Which rows are written, how often, and in which order."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.data.mixing.mixture import MixtureSettings
from app.data.mixing.quotas import Quotas, Supply, apportion, capped, share_out
from app.data.mixing.spool import SPLITS, Numbers, RowSpool, Split, split_numbers

Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Selected:
    """The rows of one split in the order in which they are written; one that stands twice is there twice."""

    split: Split
    rows: Rows
    quotas: Quotas
    clean: dict[str, int]
    """By task, each row once."""


def select(spool: RowSpool, clean: NDArray[np.bool_], settings: MixtureSettings) -> list[Selected]:
    """The rows of every split that gets a fraction of them."""
    sides = split_numbers(spool.column("place"), settings.splits.fractions)
    by_task = {task: spool.of_task(task, clean) for task in sorted(spool.names)}
    fractions = dict(zip(SPLITS, settings.splits.fractions, strict=True))
    totals = split_totals(settings.mix.total, fractions)
    selected = []
    for number, split in enumerate(SPLITS):
        if fractions[split] > 0:
            rows = {task: found[sides[found] == number] for task, found in by_task.items()}
            selected.append(_selected(split, rows, spool, totals[split], fractions[split], settings))
    return selected


def split_totals(total: int | None, fractions: dict[Split, float]) -> dict[Split, int | None]:
    """The total of each split; none where there is none."""
    if total is None:
        return dict.fromkeys(fractions)
    return {**apportion(total, fractions, dict.fromkeys(fractions, total))}


def _selected(
    split: Split, rows: dict[str, Rows], spool: RowSpool, total: int | None, fraction: float, settings: MixtureSettings
) -> Selected:
    mix = settings.mix
    repeats = mix.max_repeats if split is Split.TRAIN else 1
    supplies = []
    for task, found in rows.items():
        example = spool.examples[task]
        capacity = capped(task, len(found) * repeats, mix, fraction)
        supplies.append(Supply(task, example.capability, example.task_type, len(found), capacity))
    quotas = share_out(total, supplies, mix)
    picked = [pick(rows[task], quotas.rows[task]) for task in rows]
    return Selected(
        split, shuffled(picked, spool.column("key")), quotas, {task: len(found) for task, found in rows.items()}
    )


def pick(rows: Rows, quota: int) -> Rows:
    """The first `quota` of rows that come in the order of their keys; whole rounds first if it takes more."""
    return np.resize(rows, quota) if quota and len(rows) else rows[:0]


def shuffled(picked: Sequence[Rows], keys: Numbers) -> Rows:
    """All tasks' rows mixed, in an order that depends on the rows' keys and on nothing else."""
    rows = np.concatenate([*picked, np.empty(0, dtype=np.intp)])
    rows = rows[np.argsort(keys[rows], kind="stable")]
    position = np.arange(len(rows))
    starts = np.ones(len(rows), dtype=bool)
    starts[1:] = rows[1:] != rows[:-1]
    copy = position - np.maximum.accumulate(np.where(starts, position, 0))
    key = keys[rows]
    mixed: Rows = rows[np.lexsort((key, _mixed(key, copy.astype(np.uint64))))]
    return mixed


def _mixed(keys: Numbers, copy: Numbers) -> Numbers:
    """The finaliser of SplitMix64 (Steele, Lea and Flood 2014): small keys were preferred, so they are no order."""
    mixed = keys + (copy + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    last: Numbers = mixed ^ (mixed >> np.uint64(31))
    return last
