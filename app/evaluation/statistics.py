"""Intervals by resampling, and tests of whether B is better than A on the same samples."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest, false_discovery_control, norm, t

from app.evaluation.schema import Interval, Verdict

Floats = npt.NDArray[np.float64]
Statistic = Callable[[Floats], Floats]
"""Samples on axis -2, columns on axis -1: shape (..., n, k) to (...)."""

INTERVAL_DRAWS = 2_000
DRAWS = 10_000
"""Of a test. The smallest p-value is one over this, which 57 tasks at a false-discovery rate of 5 % leave room for."""
LEVEL = 0.95
_CELLS = 2_000_000
_ROUNDING = 1e-9


def mean(values: Floats) -> Floats:
    """The mean over samples of the one column."""
    result: Floats = values[..., 0].mean(axis=-1)
    return result


def pooled_f1(counts: Floats) -> Floats:
    """F1 of the counts (true positives, false positives, false negatives) summed over samples; 0 if undefined."""
    hits, false_positives, false_negatives = np.moveaxis(counts.sum(axis=-2), -1, 0)
    denominator = 2 * hits + false_positives + false_negatives
    result: Floats = np.divide(2 * hits, denominator, out=np.zeros_like(hits), where=denominator > 0)
    return result


@dataclass(frozen=True, slots=True)
class Drawn:
    """A statistic, its bootstrap distribution and the number of samples behind it."""

    estimate: float
    draws: Floats
    """Shape (draws,)."""
    n: int

    def widened(self) -> Floats:
        """The draws, stretched about the estimate by sqrt(n / (n - 1)).

        A bootstrap distribution is too narrow by this factor (Hesterberg, 2015); with few samples it shows.
        """
        factor = (self.n / (self.n - 1)) ** 0.5 if self.n > 1 else 1.0
        return self.estimate + (self.draws - self.estimate) * factor


def bootstrap(values: Floats, statistic: Statistic, rng: np.random.Generator, draws: int = INTERVAL_DRAWS) -> Drawn:
    """Resample the samples with replacement. `values` has shape (n, columns), n > 0."""
    found = _resampled(values, rng, draws, lambda chosen: statistic(values[chosen]))
    return Drawn(float(statistic(values)), found, len(values))


def _resampled(
    values: Floats, rng: np.random.Generator, draws: int, statistic: Callable[[npt.NDArray[np.int64]], Floats]
) -> Floats:
    """The statistic of `draws` choices of rows with replacement, so many at a time as fit into memory."""
    n = len(values)
    size = max(1, _CELLS // values.size)
    return np.concatenate(
        [statistic(rng.integers(0, n, (min(size, draws - start), n))) for start in range(0, draws, size)]
    )


def wilson(successes: float, n: int) -> Interval:
    """Wilson's score interval for a proportion (Wilson, 1927). n > 0."""
    z = float(norm.ppf((1 + LEVEL) / 2))
    share = successes / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * (share * (1 - share) / n + z**2 / (4 * n**2)) ** 0.5
    return Interval(low=max(0.0, centre - half), high=min(1.0, centre + half), level=LEVEL, method="wilson")


def percentile(
    drawn: Drawn, method: Literal["bootstrap", "pooled bootstrap", "stratified bootstrap"] = "stratified bootstrap"
) -> Interval | None:
    """The interval between two quantiles of the draws.

    For a mean over tasks ("stratified bootstrap"), whose draws are widened, these are the plain percentiles. For one
    task it is Hesterberg's expanded percentile interval, whose quantiles lie further out, so that few samples are
    covered too: where a normal distribution is as unlikely as Student's t with n - 1 degrees of freedom is at the
    level, the narrowness of the bootstrap included. None for a single sample, and where all samples agree:
    resampling then says nothing.
    """
    n = drawn.n
    if n < 2 or np.ptp(drawn.draws) == 0:
        return None
    tail = (1 - LEVEL) / 2
    if method != "stratified bootstrap":
        tail = float(norm.sf((n / (n - 1)) ** 0.5 * t.ppf(1 - tail, n - 1)))
    low, high = np.quantile(drawn.draws, [tail, 1 - tail])
    return Interval(low=float(low), high=float(high), level=LEVEL, method=method)


def score_interval(drawn: Drawn | None) -> Interval | None:
    """Of a mean score over tasks: the part that a score can take, 0 to 1, as widened draws may reach beyond."""
    interval = percentile(drawn) if drawn else None
    if interval is None:
        return None
    return interval.model_copy(update={"low": max(0.0, interval.low), "high": min(1.0, interval.high)})


def mean_over_tasks(tasks: Sequence[Drawn]) -> Drawn:
    """The mean of several tasks' scores, which were drawn independently; each task's draws are widened first."""
    return mean_over_tracks([Drawn(task.estimate, task.widened(), task.n) for task in tasks])


def mean_over_tracks(tracks: Sequence[Drawn]) -> Drawn:
    """The mean of several means over tasks."""
    return Drawn(
        float(np.mean([track.estimate for track in tracks])),
        np.mean([track.draws for track in tracks], axis=0),
        sum(track.n for track in tracks),
    )


@dataclass(frozen=True, slots=True)
class Difference:
    """B minus A: the bootstrap distribution of the difference, and the test of there being none."""

    drawn: Drawn
    p_value: float | None
    """Two-sided; None for a single sample."""


def paired_bootstrap(
    a: Floats, b: Floats, statistic: Statistic, rng: np.random.Generator, draws: int = DRAWS
) -> Difference:
    """Resample pairs. `a` and `b` have shape (n, columns): row i of both is the same sample. n > 0.

    The p-value is the share of draws that stray from the observed difference by as much as it strays from 0
    (Berg-Kirkpatrick et al., 2012), read as a normal deviate, freed of the bootstrap's narrowness and looked
    up in Student's t with n - 1 degrees of freedom, as for the expanded percentile interval.
    """
    n = len(a)
    found = _resampled(a, rng, draws, lambda chosen: statistic(b[chosen]) - statistic(a[chosen]))
    drawn = Drawn(float(statistic(b) - statistic(a)), found, n)
    if n == 1:
        return Difference(drawn, None)
    deviate = norm.isf(tail_share(drawn) / 2) * ((n - 1) / n) ** 0.5
    return Difference(drawn, min(1.0, float(2 * t.sf(deviate, n - 1))))


def tail_share(drawn: Drawn) -> float:
    """Share of draws at least as far from the estimate as the estimate is from 0; the estimate counts as one."""
    size = abs(drawn.estimate)
    if size <= _ROUNDING:
        return 1.0
    beyond = np.count_nonzero(np.abs(drawn.draws - drawn.estimate) >= size - _ROUNDING)
    return (1 + beyond) / (1 + len(drawn.draws))


def mcnemar(a: Sequence[bool], b: Sequence[bool]) -> float:
    """Exact two-sided McNemar test on paired right and wrong answers (McNemar, 1947); 1 if all pairs agree."""
    only_a = sum(left and not right for left, right in zip(a, b, strict=True))
    only_b = sum(right and not left for left, right in zip(a, b, strict=True))
    if only_a + only_b == 0:
        return 1.0
    return float(binomtest(only_b, only_a + only_b, 0.5).pvalue)


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values, in the given order: rejecting those up to q keeps the false-discovery rate at q.

    Benjamini and Hochberg, 1995.
    """
    return [float(p) for p in false_discovery_control(p_values, method="bh")] if p_values else []


def verdict(delta: float, p_value: float, alpha: float) -> Verdict:
    """What a test at level `alpha` lets one say."""
    if p_value > alpha or delta == 0:
        return Verdict.UNDECIDED
    return Verdict.ROSE if delta > 0 else Verdict.FELL
