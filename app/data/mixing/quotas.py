"""How many rows of each task a split gets: shared out by capability, then by task type, then by task."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TypeVar

from app.data.mixing.mixture import MixSettings, first_fit
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


@dataclass(frozen=True, slots=True)
class Unmet:
    """A share that its rows could not fill; the rest went to its neighbours as far as these had rows."""

    level: str
    name: str
    wanted: int
    given: int


@dataclass(slots=True)
class Quotas:
    """Rows by task, and the shares that could not be met."""

    rows: dict[str, int] = field(default_factory=dict)
    unmet: list[Unmet] = field(default_factory=list)


def share_out(total: int | None, supplies: Sequence[Supply], mix: MixSettings) -> Quotas:
    """Quotas that add up to `total`, or to what there is where that is less; all there is without a total.

    On each level a part's share is proportional to weight x rows^(1/temperature), its rows counted within the
    capacity. (The temperature is that of Arivazhagan et al. 2019, "Massively Multilingual Neural Machine Translation
    in the Wild".)
    """
    quotas = Quotas()
    if total is None:
        quotas.rows = {supply.task: supply.capacity for supply in supplies}
        return quotas
    _descend("", supplies, total, _levels(mix), quotas)
    given = sum(quotas.rows.values())
    if given < total:
        quotas.unmet.insert(0, Unmet("total", "all rows", total, given))
    return quotas


@dataclass(frozen=True, slots=True)
class _Level:
    name: str
    of: Callable[[Supply], str]
    weight: Callable[[str], float]
    temperature: float


def _levels(mix: MixSettings) -> tuple[_Level, ...]:
    return (
        _Level(
            "capability",
            lambda supply: supply.capability.value,
            lambda name: mix.capability.weights.get(Capability(name), 1.0),
            mix.capability.temperature,
        ),
        _Level(
            "task type",
            lambda supply: supply.task_type.value,
            lambda name: mix.task_type.weights.get(TaskType(name), 1.0),
            mix.task_type.temperature,
        ),
        _Level(
            "task",
            lambda supply: supply.task,
            lambda name: first_fit(name, mix.task.weights, 1.0),
            mix.task.temperature,
        ),
    )


def _descend(name: str, supplies: Sequence[Supply], total: int, levels: Sequence[_Level], quotas: Quotas) -> None:
    """Share a total out among the parts of the first level, and each of these among the parts of the next."""
    if not levels:
        quotas.rows[name] = total
        return
    level = levels[0]
    parts: defaultdict[str, list[Supply]] = defaultdict(list)
    for supply in supplies:
        parts[level.of(supply)].append(supply)
    weights = {part: _weight(level, part, found) for part, found in parts.items()}
    capacity = {part: _capacity(found, levels) for part, found in parts.items()}
    shares = apportion(total, weights, capacity)
    for part, wanted in apportion(total, weights, dict.fromkeys(parts, total)).items():
        if shares[part] < wanted:
            quotas.unmet.append(Unmet(level.name, part, wanted, shares[part]))
    for part, found in sorted(parts.items()):
        _descend(part, found, shares[part], levels[1:], quotas)


def _weight(level: _Level, name: str, supplies: Sequence[Supply]) -> float:
    rows = sum(min(supply.rows, supply.capacity) for supply in supplies)
    return level.weight(name) * rows ** (1 / level.temperature) if rows else 0.0


def _capacity(supplies: Sequence[Supply], levels: Sequence[_Level]) -> int:
    """Rows that the levels from here on can place: what has weight 0 places none."""
    return sum(supply.capacity for supply in supplies if all(level.weight(level.of(supply)) > 0 for level in levels))


def capped(task: str, rows: int, mix: MixSettings, fraction: float) -> int:
    """Rows within a task's cap, of which a split gets its fraction, but one row at least."""
    cap = first_fit(task, mix.caps, mix.cap)
    return rows if cap is None else min(rows, max(round(cap * fraction), 1))
