import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.evaluation.schema import Calibration, CalibrationBin
from app.report import charts

LENGTHS = st.lists(st.integers(0, 20_000).map(float), min_size=1)


@pytest.mark.parametrize("edges", [charts.LENGTH_EDGES, charts.SECONDS_EDGES])
def test_edges_rise(edges: tuple[float, ...]) -> None:
    assert list(edges) == sorted(set(edges))


@given(st.dictionaries(st.text(min_size=1), LENGTHS, min_size=1))
def test_histogram_counts_every_value_in_the_bin_that_holds_it(groups: dict[str, list[float]]) -> None:
    chart = charts.histogram(groups, charts.LENGTH_EDGES, "characters")
    assert chart is not None
    for row in chart.rows:
        assert row.n == len(groups[row.name]) == sum(bar.count for bar in row.bars)
        assert max(bar.height for bar in row.bars) == 100
        for bar in row.bars:
            inside = [
                value for value in groups[row.name] if bar.low <= value and (bar.high is None or value < bar.high)
            ]
            assert bar.count == len(inside)


def test_histogram_leaves_out_empty_bins_at_both_ends_and_empty_groups() -> None:
    chart = charts.histogram({"a": [5.0, 40.0], "b": []}, charts.LENGTH_EDGES, "characters")
    assert chart is not None
    assert [row.name for row in chart.rows] == ["a"]
    assert chart.ticks == ("4", "8", "16", "32")
    assert chart.rows[0].bars[0].label == "4 to 7 characters"


def test_histogram_of_nothing_is_none() -> None:
    assert charts.histogram({"a": []}, charts.LENGTH_EDGES, "characters") is None


@pytest.mark.parametrize(
    ("low", "high", "unit", "label"),
    [
        (0, 1, "characters", "0 characters"),
        (1, 2, "characters", "1 character"),
        (8192, None, "characters", "from 8,192 characters"),
        (0.02, 0.05, "seconds", "20 ms to 50 ms"),
        (5000, None, "seconds", "from 1 h 23 min"),
    ],
)
def test_bins_read_well(low: float, high: float | None, unit: str, label: str) -> None:
    assert charts.bin_label(low, high, unit) == label


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0004, "0.4 ms"), (0.032, "32 ms"), (0.415, "415 ms"), (1.25, "1.25 s"), (59.9, "59.9 s"), (200, "3 min 20 s")],
)
def test_durations_read_well(seconds: float, text: str) -> None:
    assert charts.duration(seconds) == text


@given(st.dictionaries(st.sampled_from("abcd"), st.integers(0, 1000)))
def test_stacked_bar_fills_the_row_without_a_gap(counts: dict[str, int]) -> None:
    bar = charts.stacked_bar("row", counts, "abcd")
    assert bar.n == sum(counts.values())
    edge = 0.0
    for segment in bar.segments:
        assert segment.start == pytest.approx(edge)
        assert segment.count == counts[segment.name] > 0
        edge += segment.width
    assert edge == pytest.approx(100 if bar.n else 0)


def test_reliability_leaves_out_empty_bins_and_gives_each_an_interval() -> None:
    bins = [
        CalibrationBin(low=0.0, high=0.5, n=0, confidence=None, accuracy=None),
        CalibrationBin(low=0.5, high=1.0, n=8, confidence=0.8, accuracy=0.5),
    ]
    ((point, interval),) = charts.reliability(Calibration(n=8, ece=0.3, brier=0.5, mean_label_mass=None, bins=bins))
    assert (point.confidence, point.accuracy) == (0.8, 0.5)
    assert interval.low < 0.5 < interval.high
    assert interval.low + interval.high == pytest.approx(1)


@pytest.mark.parametrize(("ends", "limit"), [([], 0.05), ([-0.03, 0.04], 0.05), ([-0.3, 0.1], 0.4), ([0.97], 1.0)])
def test_symmetric_axis_holds_all_ends(ends: list[float], limit: float) -> None:
    assert charts.symmetric_limit(ends) == limit
