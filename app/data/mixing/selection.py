"""Which rows are written, how often, and in which order."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from app.data.mixing.manifest import UnmetShare
from app.data.mixing.mixture import Level, MixSettings, MixtureSettings, first_fit
from app.data.mixing.spool import SPLITS, Numbers, RowSpool, Split, split_numbers
from app.data.row import Capability
from app.types import TaskType

Name = TypeVar("Name", bound=str)


def apportion(total: int, weights: Mapping[Name, float], capacity: Mapping[Name, int]) -> dict[Name, int]:
    """Whole shares of `total` in proportion to `weights`, none above its capacity.

    The method of the largest remainder (Hamilton's): each share is its quota rounded down, and what is left goes one
    each to the largest remainders, names in order where these are equal. A share that would pass its capacity gets the
    capacity, and the rest is divided among the others anew. The shares add up to `total`, or to all the capacity of
    positive weight where that is less. Computed in fractions, so that the order of the names does not matter.
    """
    shares = dict.fromkeys(weights, 0)
    open_names = sorted(name for name in weights if weights[name] > 0 and capacity[name] > 0)
    left = min(total, sum(capacity[name] for name in open_names))
    quotas = _quotas(left, weights, open_names)
    while full := [name for name in open_names if quotas[name] >= capacity[name]]:
        for name in full:
            shares[name] = capacity[name]
            left -= capacity[name]
        open_names = [name for name in open_names if name not in full]
        quotas = _quotas(left, weights, open_names)
    for name in open_names:
        shares[name] = math.floor(quotas[name])
    rest = left - sum(shares[name] for name in open_names)
    for name in sorted(open_names, key=lambda name: (shares[name] - quotas[name], name))[:rest]:
        shares[name] += 1
    return shares


def _quotas(total: int, weights: Mapping[Name, float], names: list[Name]) -> dict[Name, Fraction]:
    whole = sum(Fraction(weights[name]) for name in names)
    return {name: total * Fraction(weights[name]) / whole for name in names}


@dataclass(frozen=True, slots=True)
class Supply:
    """The clean rows of one task in one split. `capacity` is the most that may be written."""

    task: str
    capability: Capability
    task_type: TaskType
    rows: int
    capacity: int


@dataclass(slots=True)
class Quotas:
    """Rows by task, and the shares that could not be met."""

    rows: dict[str, int] = field(default_factory=dict)
    unmet: list[UnmetShare] = field(default_factory=list)


def share_out(split: str, total: int | None, supplies: Sequence[Supply], mix: MixSettings) -> Quotas:
    """Quotas of a split that add up to `total`, or to what there is where that is less; all there is without a total.

    On each level a part's share is proportional to weight x rows^(1/temperature), its rows counted within the
    capacity. (The temperature is that of Arivazhagan et al. 2019, "Massively Multilingual Neural Machine Translation
    in the Wild".)
    """
    quotas = Quotas()
    if total is None:
        quotas.rows = {supply.task: supply.capacity for supply in supplies}
        return quotas
    levels = (
        _Level("capability", lambda supply: supply.capability.value, mix.capability),
        _Level("task type", lambda supply: supply.task_type.value, mix.task_type),
        _Level("task", lambda supply: supply.task, mix.task),
    )
    _descend(split, "", supplies, total, levels, quotas)
    given = sum(quotas.rows.values())
    if given < total:
        share = UnmetShare(split=split, level="total", name="all rows", wanted=total, given=given)
        quotas.unmet.insert(0, share)
    return quotas


@dataclass(frozen=True, slots=True)
class _Level:
    name: str
    of: Callable[[Supply], str]
    """The part that a task belongs to."""
    settings: Level[Any]

    def weight(self, part: str) -> float:
        return first_fit(part, self.settings.weights, 1.0)


def _descend(
    split: str, name: str, supplies: Sequence[Supply], total: int, levels: Sequence[_Level], quotas: Quotas
) -> None:
    """Share a total out among the parts of the first level, and each of these among the parts of the next."""
    if not levels:
        quotas.rows[name] = total
        return
    level = levels[0]
    parts: defaultdict[str, list[Supply]] = defaultdict(list)
    for supply in supplies:
        parts[level.of(supply)].append(supply)
    weights, capacity = {}, {}
    for part, found in parts.items():
        rows = sum(min(supply.rows, supply.capacity) for supply in found)
        weights[part] = level.weight(part) * rows ** (1 / level.settings.temperature) if rows else 0.0
        # What the levels from here on can place: a part of weight 0 places nothing.
        placed = (supply for supply in found if all(one.weight(one.of(supply)) > 0 for one in levels))
        capacity[part] = sum(supply.capacity for supply in placed)
    shares = apportion(total, weights, capacity)
    for part, wanted in apportion(total, weights, dict.fromkeys(parts, total)).items():
        if shares[part] < wanted:
            share = UnmetShare(split=split, level=level.name, name=part, wanted=wanted, given=shares[part])
            quotas.unmet.append(share)
    for part, found in sorted(parts.items()):
        _descend(split, part, found, shares[part], levels[1:], quotas)


def capped(task: str, rows: int, mix: MixSettings, fraction: float) -> int:
    """Rows within a task's cap, of which a split gets its fraction, but one row at least."""
    cap = first_fit(task, mix.caps, mix.cap)
    return rows if cap is None else min(rows, max(round(cap * fraction), 1))


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
    total = settings.mix.total
    totals = {} if total is None else apportion(total, fractions, dict.fromkeys(fractions, total))
    selected = []
    for number, split in enumerate(SPLITS):
        if fractions[split] > 0:
            rows = {task: found[sides[found] == number] for task, found in by_task.items()}
            selected.append(_selected(split, rows, spool, totals.get(split), fractions[split], settings))
    return selected


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
    quotas = share_out(split, total, supplies, mix)
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
