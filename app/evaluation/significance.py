"""Is B better than A on the same samples, or can the two not be told apart?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest, false_discovery_control, norm, t

from app.evaluation.comparison_schema import Verdict
from app.evaluation.intervals import Drawn, Floats, Statistic

DRAWS = 10_000
"""The smallest p-value is one over this, which 57 tasks at a false-discovery rate of 5 % leave room for."""

_CELLS = 2_000_000
_ROUNDING = 1e-9


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
    size = max(1, _CELLS // a.size)
    parts = []
    for start in range(0, draws, size):
        chosen = rng.integers(0, n, (min(size, draws - start), n))
        parts.append(statistic(b[chosen]) - statistic(a[chosen]))
    drawn = Drawn(float(statistic(b) - statistic(a)), np.concatenate(parts), n)
    return Difference(drawn, _small_sample(tail_share(drawn), n) if n > 1 else None)


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


def _small_sample(share: float, n: int) -> float:
    deviate = norm.isf(share / 2) * ((n - 1) / n) ** 0.5
    return min(1.0, float(2 * t.sf(deviate, n - 1)))
