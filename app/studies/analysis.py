"""What the cells say: slopes of the score against diversity, their change with the rank, and what can be claimed.

The unit is a task of the questions in a stratum: the mean over its questions. An effect is a contrast of cells, taken
for each task and each seed; both are drawn from larger populations, and they are crossed, so that the variance of the
effect has a part of each.
"""

import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from itertools import product
from math import log2
from statistics import fmean
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import t

from app.evaluation.statistics import benjamini_hochberg
from app.studies.plan import Arm, Cell, Grid, Ladder, Point, points_of
from app.studies.pool import GENERAL, NEW_TASKS, NEW_WORDINGS, SEEN
from app.studies.results import About, CellResult

Floats = npt.NDArray[np.float64]

LEVEL, POWER = 0.95, 0.8
ALPHA = 1 - LEVEL


class Finding(StrEnum):
    """What can be said of a claim."""

    SUPPORTED = "supported"
    NOT_SUPPORTED = "not supported"
    CANNOT_TELL = "cannot tell"


class Crossed(NamedTuple):
    """A mean over tasks and seeds, with its standard error and the degrees of freedom of that."""

    estimate: float
    error: float
    freedom: float


def crossed(values: Floats) -> Crossed | None:
    """The mean of tasks x seeds, both random: (tasks, seeds), two of each at least; else None.

    The variance of the mean is (MS_tasks + MS_seeds - MS_rest) / (tasks x seeds), with the degrees of freedom of
    Satterthwaite (1946); where that is less than what one of the three says alone, that one stands. With all of them
    positive it is what REML finds for the balanced model (Searle, Casella and McCulloch 1992, chapter 4).
    """
    tasks, seeds = values.shape
    if tasks < 2 or seeds < 2:
        return None
    mean = values.mean()
    by_task, by_seed = values.mean(1), values.mean(0)
    rest = values - by_task[:, None] - by_seed[None, :] + mean
    parts = [
        (seeds * float(((by_task - mean) ** 2).sum()) / (tasks - 1), tasks - 1.0),
        (tasks * float(((by_seed - mean) ** 2).sum()) / (seeds - 1), seeds - 1.0),
        (float((rest**2).sum()) / ((tasks - 1) * (seeds - 1)), (tasks - 1.0) * (seeds - 1)),
    ]
    together = parts[0][0] + parts[1][0] - parts[2][0]
    largest, freedom = max(parts)
    if together > largest:
        largest, freedom = together, together**2 / sum(square**2 / degrees for square, degrees in parts)
    return Crossed(float(mean), (largest / (tasks * seeds)) ** 0.5, freedom)


@dataclass(frozen=True, slots=True)
class Effect:
    """One contrast of cells, on some of the questions."""

    name: str
    """What is compared."""
    outcome: str
    """On which questions."""
    unit: str
    worthwhile: float
    """The effect from which on it is worth having."""
    tasks: int
    seeds: int
    estimate: float | None
    """None where the cells for it are not there."""
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    adjusted: float | None = None
    """The p-value with all effects of the study accounted for (Benjamini and Hochberg)."""
    smallest: float | None = None
    """The effect that this study would have found four times in five."""
    primary: bool = False
    """Whether it decides about a claim."""

    @property
    def finding(self) -> Finding:
        """Supported: above nought beyond chance. Not supported: below, or surely less than what is worth having."""
        if self.estimate is None or self.adjusted is None or self.high is None:
            return Finding.CANNOT_TELL
        if self.adjusted <= ALPHA:
            return Finding.SUPPORTED if self.estimate > 0 else Finding.NOT_SUPPORTED
        return Finding.NOT_SUPPORTED if self.high < self.worthwhile else Finding.CANNOT_TELL


def effect(name: str, outcome: str, unit: str, worthwhile: float, values: Floats, *, primary: bool = False) -> Effect:
    """The effect of contrasts of shape (tasks, seeds), not adjusted yet."""
    tasks, seeds = values.shape
    plain = Effect(name, outcome, unit, worthwhile, tasks, seeds, None, primary=primary)
    if not values.size:
        return plain
    found = crossed(values)
    if found is None:
        return replace(plain, estimate=float(values.mean()))
    half = float(t.ppf(1 - ALPHA / 2, found.freedom)) * found.error
    p_value = 1.0 if found.estimate == 0 else 0.0
    if found.error > 0:
        p_value = float(2 * t.sf(abs(found.estimate) / found.error, found.freedom))
    return replace(
        plain,
        estimate=found.estimate,
        low=found.estimate - half,
        high=found.estimate + half,
        p_value=p_value,
        smallest=half + float(t.ppf(POWER, found.freedom)) * found.error,
    )


def adjusted(effects: Sequence[Effect]) -> list[Effect]:
    """The same with p-values that account for their number."""
    tested = [one for one in effects if one.p_value is not None]
    found = iter(benjamini_hochberg([one.p_value for one in tested if one.p_value is not None]))
    return [one if one.p_value is None else replace(one, adjusted=next(found)) for one in effects]


FIRST = "first capability"
OUTCOMES = (SEEN, NEW_WORDINGS, NEW_TASKS, FIRST)
"""On which questions a ladder is judged: of all capabilities; the last ones, of the capability that each order begins
with, tell whether what was there at every level gains or loses."""


@dataclass(frozen=True)
class Scores:
    """Every finished cell's mean score on each task of the questions."""

    about: About
    cells: Mapping[str, CellResult]
    """By name."""

    @cached_property
    def items(self) -> list[tuple[str, str, str]]:
        """Stratum, task and capability, in order."""
        return list(dict.fromkeys((one.stratum, one.task, one.capability) for one in self.about.questions))

    @cached_property
    def table(self) -> dict[str, Floats]:
        """Means by cell, in the order of `items`."""
        places = {item: number for number, item in enumerate(self.items)}
        own = np.array([places[one.stratum, one.task, one.capability] for one in self.about.questions])
        found = {}
        for name, result in self.cells.items():
            values = np.array([np.nan if score is None else score for score in result.scores], dtype=float)
            known = ~np.isnan(values)
            counts = np.bincount(own[known], minlength=len(places))
            sums = np.bincount(own[known], weights=values[known], minlength=len(places))
            found[name] = np.divide(sums, counts, out=np.full(len(places), np.nan), where=counts > 0)
        return found

    def where(self, stratum: str, capability: str | None = None) -> npt.NDArray[np.bool_]:
        """Which items are of a stratum (and a capability)."""
        return np.array([one[0] == stratum and capability in (None, one[2]) for one in self.items])


def centred(values: Sequence[float]) -> Floats:
    """The weights by which a sum over `values` becomes the slope of the least squares line."""
    away = np.array(values, dtype=float) - fmean(values)
    weights: Floats = away / float((away**2).sum())
    return weights


Slopes = dict[tuple[int, int, int], Floats]
"""By seed, rank and order: the slope against the step of diversity, on each item."""


def slopes(points: Iterable[Point], table: Mapping[str, Floats]) -> Slopes:
    """Of one ladder and arm, where all cells of a line are there. A step is from one level to the next."""
    lines: defaultdict[tuple[int, int, int], dict[float, str]] = defaultdict(dict)
    for point in points:
        lines[point.cell.seed, point.cell.rank, point.order][point.level] = point.cell.name
    return {
        line: centred(range(len(levels))) @ np.array([table[levels[level]] for level in sorted(levels)])
        for line, levels in sorted(lines.items())
        if len(levels) > 1 and all(name in table for name in levels.values())
    }


def over_seeds(found: Slopes, grid: Grid, ranks: Sequence[int], by_rank: Floats) -> dict[int, dict[int, Floats]]:
    """By order and seed: the slopes weighted by rank, of the seeds that have all of them."""
    orders = sorted({order for _, _, order in found})
    result: dict[int, dict[int, Floats]] = {}
    for order in orders:
        whole = [seed for seed in grid.seeds if all((seed, rank, each) in found for rank in ranks for each in orders)]
        result[order] = {seed: by_rank @ np.array([found[seed, rank, order] for rank in ranks]) for seed in whole}
    return result


def ladder_effects(scores: Scores) -> Iterator[Effect]:
    """Slopes by ladder and arm, by rank, and their change with the rank."""
    grid, worthwhile = scores.about.grid, scores.about.worthwhile
    arms: tuple[tuple[Arm, Sequence[int]], ...] = (("equal", grid.ranks), ("growing", grid.growing_ranks))
    ladders: tuple[Ladder, ...] = ("capabilities", "sub-tasks")
    for ladder, (arm, ranks) in product(ladders, arms):
        points = [point for point in points_of(grid) if (point.ladder, point.arm) == (ladder, arm)]
        if len({point.level for point in points}) < 2:
            continue
        found = slopes(points, scores.table)
        title = f"{ladder}, {arm} rows"
        unit = "a capability more" if ladder == "capabilities" else "a step more of the tasks"
        outcomes = OUTCOMES if ladder == "capabilities" else OUTCOMES[:3]
        even = np.full(len(ranks), 1 / len(ranks))
        for outcome in outcomes:
            values = _on(outcome, over_seeds(found, grid, ranks, even), scores)
            yield effect(title, outcome, unit, worthwhile, values, primary=outcome == SEEN)
        if len(ranks) > 1:
            for number, rank in enumerate(ranks):
                alone = np.eye(len(ranks))[number]
                values = _on(SEEN, over_seeds(found, grid, ranks, alone), scores)
                yield effect(f"{title}, rank {rank}", SEEN, unit, worthwhile, values)
            doublings = [log2(rank) for rank in ranks]
            span = max(doublings) - min(doublings)
            for outcome in outcomes:
                values = _on(outcome, over_seeds(found, grid, ranks, centred(doublings)), scores)
                name, per = f"{title}, times rank", f"{unit}, a doubling of the rank"
                yield effect(name, outcome, per, worthwhile / span, values, primary=outcome == SEEN)


def _on(outcome: str, by_order: Mapping[int, Mapping[int, Floats]], scores: Scores) -> Floats:
    """Contrasts of shape (tasks, seeds) on the questions of an outcome; the mean over orders where it is the same."""
    if not by_order or not next(iter(by_order.values())):
        return np.empty((0, 0))
    seeds = list(next(iter(by_order.values())))
    if outcome == FIRST:
        firsts = [scores.about.grid.orders[order][0] for order in by_order]
        parts = [
            np.array([found[seed][scores.where(SEEN, first)] for seed in seeds]).T
            for first, found in zip(firsts, by_order.values(), strict=True)
        ]
        return np.concatenate(parts)
    mean = np.mean([[found[seed] for seed in seeds] for found in by_order.values()], axis=0)
    return np.asarray(mean.T[scores.where(outcome)])


def joined_effects(scores: Scores) -> Iterator[Effect]:
    """Several adapters, averaged and gated, against one of as many parameters and rows."""
    grid = scores.about.grid
    if not grid.experts_rank:
        return
    everything = tuple(sorted(grid.orders[0]))
    for kind, name in (("average", "several adapters, averaged"), ("gates", "several adapters, gated")):
        pairs = []
        for seed in grid.seeds:
            one = Cell("adapter", seed, grid.experts_rank, grid.rows, everything).name
            other = Cell(kind, seed, grid.experts_rank, grid.rows, everything).name  # type: ignore[arg-type]  # of Kind
            if {one, other} <= scores.table.keys():
                pairs.append((scores.table[other] - scores.table[one])[scores.where(SEEN)])
        values = np.array(pairs).T if pairs else np.empty((0, 0))
        title = f"{name}, against one"
        yield effect(title, SEEN, "the one instead of the other", scores.about.worthwhile, values, primary=True)


def all_effects(scores: Scores) -> list[Effect]:
    """Every effect of the study, p-values adjusted for their number."""
    return adjusted([*ladder_effects(scores), *joined_effects(scores)])


@dataclass(frozen=True, slots=True)
class Transfer:
    """What training on one capability does to the score in another, against the base."""

    trained: str
    asked: str
    gain: float
    clear: bool
    """Whether its 95 % interval leaves nought out."""
    seeds: int


def transfer(scores: Scores) -> list[Transfer]:
    """The matrix, where the cells of one capability alone are there."""
    grid = scores.about.grid
    base = scores.table.get("base")
    found = []
    if grid.transfer_rank is None or base is None:
        return []
    for trained, asked in product(sorted(grid.orders[0]), repeat=2):
        names = [Cell("adapter", seed, grid.transfer_rank, grid.rows, (trained,)).name for seed in grid.seeds]
        gains = [scores.table[name] - base for name in names if name in scores.table]
        if gains:
            one = effect("", "", "", 0.0, np.array(gains).T[scores.where(SEEN, asked)])
            clear = one.p_value is not None and one.p_value <= ALPHA
            found.append(Transfer(trained.value, asked.value, one.estimate or 0.0, clear, len(gains)))
    return found


@dataclass(frozen=True, slots=True)
class Rung:
    """What all cells of one level of a ladder come to, over seeds and orders."""

    ladder: Ladder
    arm: Arm
    rank: int
    level: float
    cells: int
    score: float
    """On the questions of all capabilities."""
    low: float
    high: float
    """Of the cells."""
    new_tasks: float
    general: float
    text_loss: float
    tokens: float
    seconds: float


def rungs(scores: Scores) -> list[Rung]:
    """Every level of every ladder that has a cell."""
    groups: defaultdict[tuple[Ladder, Arm, int, float], set[str]] = defaultdict(set)
    for point in points_of(scores.about.grid):
        if point.cell.name in scores.cells:
            groups[point.ladder, point.arm, point.cell.rank, point.level].add(point.cell.name)
    found = []
    for (ladder, arm, rank, level), names in sorted(groups.items()):
        results = [scores.cells[name] for name in sorted(names)]
        by_stratum = {
            stratum: [float(np.nanmean(scores.table[name][scores.where(stratum)])) for name in sorted(names)]
            for stratum in (SEEN, NEW_TASKS, GENERAL)
        }
        trained = [result.training for result in results if result.training]
        losses = [result.text_loss for result in results if result.text_loss is not None]
        own = by_stratum[SEEN]
        found.append(
            Rung(
                ladder, arm, rank, level, len(results), fmean(own), min(own), max(own),
                fmean(by_stratum[NEW_TASKS]), fmean(by_stratum[GENERAL]), fmean(losses),
                fmean(one.tokens for one in trained), fmean(one.seconds for one in trained),
            )
        )  # fmt: skip
    return found


@dataclass(frozen=True, slots=True)
class MixedModel:
    """One mixed-effects model of all scores of a ladder: what is fixed, and how much varies with what."""

    ladder: Ladder
    fixed: dict[str, tuple[float, float]]
    """Estimate and standard error, by term."""
    varies: dict[str, float]
    """Standard deviations, by what they belong to."""
    scores: int
    converged: bool


def mixed_model(scores: Scores, ladder: Ladder) -> MixedModel | None:
    """Score ~ step * log2(rank), equal rows, with tasks and seeds crossed: both shift the score, tasks the slope too.

    By REML (statsmodels). None where there are not two ranks, two levels and two seeds.
    """
    from statsmodels.regression.mixed_linear_model import MixedLM, VCSpec

    grid = scores.about.grid
    points = [
        point
        for point in points_of(grid)
        if (point.ladder, point.arm) == (ladder, "equal") and point.cell.name in scores.table
    ]
    levels = sorted({point.level for point in points})
    ranks, seeds = ({getattr(point.cell, name) for point in points} for name in ("rank", "seed"))
    if min(len(levels), len(ranks), len(seeds)) < 2:
        return None
    own = np.flatnonzero(scores.where(SEEN))
    step = np.array([levels.index(point.level) for point in points], dtype=float)
    rank = np.array([log2(point.cell.rank) for point in points])
    step, rank = step - step.mean(), rank - rank.mean()
    fixed = np.column_stack([np.ones(len(points)), step, rank, step * rank])
    exog = np.repeat(fixed, len(own), axis=0)
    endog = np.concatenate([scores.table[point.cell.name][own] for point in points])
    # In units of their own spread: the optimiser's tolerances are absolute.
    scale = float(endog.std()) or 1.0
    tasks = np.tile(np.eye(len(own)), (len(points), 1))
    by_seed = np.array([[float(point.cell.seed == seed) for seed in sorted(seeds)] for point in points])
    parts = {"tasks": tasks, "slopes of tasks": tasks * exog[:, 1:2], "seeds": np.repeat(by_seed, len(own), axis=0)}
    names = list(parts)
    columns = [[[f"{name} {number}" for number in range(parts[name].shape[1])]] for name in names]
    variances = VCSpec(names, columns, [[parts[name]] for name in names])
    model = MixedLM(endog / scale, exog, groups=np.zeros(len(endog)), exog_vc=variances)
    with warnings.catch_warnings():
        # Where a variance is nought, the optimum lies on the edge, and the library says so at length.
        warnings.simplefilter("ignore")
        fit = model.fit(reml=True, method=["bfgs", "lbfgs", "powell"])
    terms = ("level of the score", "step", "doubling of the rank", "step times doubling")
    return MixedModel(
        ladder,
        {
            term: (scale * float(fit.params[number]), scale * float(fit.bse[number]))
            for number, term in enumerate(terms)
        },
        {
            name: scale * max(float(value), 0.0) ** 0.5
            for name, value in zip([*names, "rest"], [*fit.vcomp, fit.scale], strict=True)
        },
        len(endog),
        bool(fit.converged),
    )
