"""Tests and intervals on simulated data: they claim no more than they keep, and find what is there."""

import numpy as np
import pytest
from scipy.stats import binom

from app.evaluation.schema import Interval, Verdict
from app.evaluation.statistics import (
    Drawn,
    Floats,
    benjamini_hochberg,
    bootstrap,
    mcnemar,
    mean,
    mean_over_tasks,
    paired_bootstrap,
    percentile,
    pooled_f1,
    score_interval,
    tail_share,
    verdict,
    wilson,
)
from tests.conftest import FULL

ALPHA = 0.05
RUNS = 400 if FULL else 200
DRAWS = 600


def at_most(rate: float, runs: int) -> float:
    """The largest share that a true rate gives in all but one of 1,000 repetitions."""
    return float(binom.ppf(0.999, runs, rate)) / runs


def at_least(rate: float, runs: int) -> float:
    return float(binom.ppf(0.001, runs, rate)) / runs


def column(values: Floats) -> Floats:
    return values.astype(np.float64)[:, None]


def scores(rng: np.random.Generator, n: int, shift: float = 0.0) -> tuple[Floats, Floats]:
    """Two systems' scores on the same n samples: a shared difficulty, own noise, B better by `shift`."""
    shared = rng.beta(2, 2, n)
    a = np.clip(shared + rng.normal(0, 0.2, n), 0, 1)
    b = np.clip(shared + shift + rng.normal(0, 0.2, n), 0, 1)
    return column(a), column(b)


def counts(rng: np.random.Generator, n: int, hit_a: float, hit_b: float) -> tuple[Floats, Floats]:
    wanted = rng.integers(1, 4, n)

    def answered(hit: float) -> Floats:
        hits = rng.binomial(wanted, hit)
        return np.stack([hits, rng.binomial(2, 0.3, n), wanted - hits], axis=1).astype(np.float64)

    return answered(hit_a), answered(hit_b)


@pytest.mark.parametrize("n", [6, 20, 100])
def test_paired_bootstrap_cries_wolf_as_often_as_it_claims(n: int) -> None:
    rng = np.random.default_rng(n)
    found = 0
    for _ in range(RUNS):
        a, b = scores(rng, n)
        p_value = paired_bootstrap(a, b, mean, rng, DRAWS).p_value
        found += p_value is not None and p_value <= ALPHA
    assert found / RUNS <= at_most(ALPHA, RUNS)
    assert found > 0, "a test that never rejects is of no use"


@pytest.mark.parametrize("n", [20, 80])
def test_paired_bootstrap_of_pooled_f1_keeps_its_level(n: int) -> None:
    rng = np.random.default_rng(n)
    p_values = [paired_bootstrap(*counts(rng, n, 0.6, 0.6), pooled_f1, rng, DRAWS).p_value for _ in range(RUNS)]
    found = sum(p is not None and p <= ALPHA for p in p_values)
    assert 0 < found / RUNS <= at_most(ALPHA, RUNS)


def test_paired_bootstrap_p_values_are_uniform_under_the_null() -> None:
    """Not only at 5 %: the share below each threshold is the threshold."""
    rng = np.random.default_rng(3)
    p_values = np.array([paired_bootstrap(*scores(rng, 60), mean, rng, DRAWS).p_value for _ in range(RUNS)])
    for threshold in (0.1, 0.3, 0.5, 0.8):
        assert at_least(threshold, RUNS) <= np.mean(p_values <= threshold) <= at_most(threshold, RUNS)


def test_a_real_difference_is_found() -> None:
    rng = np.random.default_rng(4)
    runs = 100
    means = [paired_bootstrap(*scores(rng, 100, 0.12), mean, rng, DRAWS).p_value for _ in range(runs)]
    pooled = [paired_bootstrap(*counts(rng, 150, 0.5, 0.7), pooled_f1, rng, DRAWS).p_value for _ in range(runs)]
    assert np.mean([p is not None and p <= ALPHA for p in means]) >= 0.9
    assert np.mean([p is not None and p <= ALPHA for p in pooled]) >= 0.9


def test_identical_and_single_samples_prove_nothing() -> None:
    rng = np.random.default_rng(5)
    a, _ = scores(rng, 30)
    assert paired_bootstrap(a, a, mean, rng, DRAWS).p_value == 1
    assert paired_bootstrap(a[:1], a[:1] + 1, mean, rng, DRAWS).p_value is None


def test_a_p_value_is_never_nothing() -> None:
    """The estimate counts as one of the draws."""
    assert tail_share(Drawn(1.0, np.ones(99), 9)) == pytest.approx(1 / 100)
    assert tail_share(Drawn(0.0, np.ones(99), 9)) == 1


def test_four_samples_that_all_rose_are_no_proof() -> None:
    """Resampling four equal differences never gives another; Student's t with three degrees of freedom does."""
    rng = np.random.default_rng(6)
    p_value = paired_bootstrap(np.zeros((4, 1)), np.ones((4, 1)), mean, rng).p_value
    assert p_value is not None
    assert p_value > 0.01


def test_mean_over_tasks_keeps_its_level() -> None:
    rng = np.random.default_rng(7)
    found = 0
    for _ in range(RUNS):
        drawn = [paired_bootstrap(*scores(rng, n), mean, rng, DRAWS).drawn for n in (8, 20, 30, 12)]
        found += tail_share(mean_over_tasks(drawn)) <= ALPHA
    assert 0 < found / RUNS <= at_most(ALPHA, RUNS)


def test_mcnemar_keeps_its_level_and_has_power() -> None:
    rng = np.random.default_rng(8)

    def p_value(right_b: float) -> float:
        hard = rng.random(80) < 0.3
        a = (rng.random(80) < 0.7) & ~hard
        b = (rng.random(80) < right_b) & ~hard
        return mcnemar(a.tolist(), b.tolist())

    null = np.array([p_value(0.7) for _ in range(2000)])
    assert 0 < np.mean(null <= ALPHA) <= at_most(ALPHA, 2000)
    assert np.mean([p_value(0.98) <= ALPHA for _ in range(200)]) >= 0.9


def test_mcnemar_by_hand() -> None:
    """1 against 9 changes: twice the chance of at most 1 head in 10 tosses."""
    a = [True] * 1 + [False] * 9 + [True] * 20
    b = [False] * 1 + [True] * 9 + [True] * 20
    assert mcnemar(a, b) == pytest.approx(2 * (1 + 10) / 2**10)
    assert mcnemar(a, a) == 1


def test_false_discovery_rate_stays_below_its_level() -> None:
    """57 tasks, a third of which really differ: of the claims made, at most 5 % are false on average."""
    rng = np.random.default_rng(9)
    shares, found = [], []
    for _ in range(1000):
        null = rng.random(38)
        real = rng.beta(0.2, 20, 19)
        claimed = np.array(benjamini_hochberg([*null, *real])) <= ALPHA
        shares.append(claimed[:38].sum() / max(1, claimed.sum()))
        found.append(claimed[38:].mean())
    assert np.mean(shares) <= ALPHA
    assert np.mean(found) >= 0.5


def test_no_difference_anywhere_is_seldom_called_one() -> None:
    rng = np.random.default_rng(10)
    runs = 2000
    wrong = sum(min(benjamini_hochberg(rng.random(18).tolist())) <= ALPHA for _ in range(runs))
    assert wrong / runs <= at_most(ALPHA, runs)


def test_benjamini_hochberg_by_hand() -> None:
    assert benjamini_hochberg([0.04, 0.01, 0.03, 0.5]) == pytest.approx([0.16 / 3, 0.04, 0.16 / 3, 0.5])
    assert benjamini_hochberg([]) == []


def test_verdicts() -> None:
    assert verdict(0.2, 0.01, ALPHA) is Verdict.ROSE
    assert verdict(-0.2, 0.01, ALPHA) is Verdict.FELL
    assert verdict(0.2, ALPHA, ALPHA) is Verdict.ROSE
    assert verdict(0.2, 0.06, ALPHA) is Verdict.UNDECIDED
    assert verdict(0.0, 0.0, ALPHA) is Verdict.UNDECIDED


@pytest.mark.parametrize("n", [8, 40])
def test_intervals_of_a_mean_cover_it(n: int) -> None:
    rng = np.random.default_rng(n)
    covered = 0
    for _ in range(RUNS):
        interval = percentile(bootstrap(column(rng.beta(2, 3, n)), mean, rng, DRAWS), "bootstrap")
        assert interval is not None
        covered += interval.low <= 2 / 5 <= interval.high
    assert covered / RUNS >= at_least(0.95, RUNS)


def test_intervals_of_a_mean_over_tasks_cover_it() -> None:
    rng = np.random.default_rng(11)
    covered = 0
    for _ in range(RUNS):
        drawn = [bootstrap(column(rng.beta(2, k, 15)), mean, rng, DRAWS) for k in (2, 3, 4)]
        interval = percentile(mean_over_tasks(drawn))
        assert interval is not None
        covered += bool(interval.low <= np.mean([2 / (2 + k) for k in (2, 3, 4)]) <= interval.high)
    assert covered / RUNS >= at_least(0.95, RUNS)


def test_intervals_of_pooled_f1_cover_it() -> None:
    rng = np.random.default_rng(12)
    truth = float(pooled_f1(counts(rng, 400_000, 0.6, 0.6)[0]))
    covered = 0
    for _ in range(RUNS):
        drawn = bootstrap(counts(rng, 40, 0.6, 0.6)[0], pooled_f1, rng, DRAWS)
        interval = percentile(drawn, "pooled bootstrap")
        assert interval is not None
        covered += interval.low <= truth <= interval.high
    assert covered / RUNS >= at_least(0.95, RUNS)


def test_wilson_by_hand_and_at_the_ends() -> None:
    """7 of 10, from Wilson's formula with z = 1.959964."""
    assert wilson(7, 10).low == pytest.approx(0.396775, abs=1e-5)
    assert wilson(7, 10).high == pytest.approx(0.892209, abs=1e-5)
    assert wilson(0, 8).low == 0
    assert wilson(8, 8).high == 1
    assert wilson(8, 8).low == pytest.approx(0.675592, abs=1e-5)


def test_resampling_says_nothing_where_all_agree() -> None:
    rng = np.random.default_rng(13)
    drawn = bootstrap(np.ones((6, 1)), mean, rng, DRAWS)
    assert percentile(drawn, "bootstrap") is None
    assert percentile(mean_over_tasks([drawn, drawn])) is None


def test_large_tasks_are_resampled_in_parts() -> None:
    rng = np.random.default_rng(14)
    values = column(rng.random(30_000))
    drawn = bootstrap(values, mean, rng, 200)
    assert drawn.draws.shape == (200,)
    assert drawn.draws.std() == pytest.approx(values.std() / 30_000**0.5, rel=0.3)


def test_an_interval_of_a_score_stays_within_the_scores() -> None:
    wide = Drawn(0.6, np.linspace(-0.2, 1.3, 1001), 9)
    outer = percentile(wide)
    assert outer is not None
    assert (outer.low < 0, outer.high > 1) == (True, True)
    assert score_interval(wide) == Interval(low=0.0, high=1.0, method="stratified bootstrap")
    assert score_interval(None) is None
