"""Geometry of the report's charts: counts, shares and positions, drawn by the page templates as SVG.

Positions are percent of the plot's width or height, so that a chart fits any screen while its text keeps its size.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from app.evaluation.schema import Calibration, CalibrationBin, Interval
from app.evaluation.statistics import wilson

LENGTH_EDGES = (0, 1, *(2**power for power in range(1, 14)))
"""Answer lengths in characters: 0, 1, 2-3, 4-7, ... up to the 5,000 that the evaluator reads, and beyond."""
SECONDS_EDGES = tuple(round(step * 10.0**power, 6) for power in range(-4, 4) for step in (1, 2, 5))
"""Times in seconds, in steps of 1, 2 and 5."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a histogram: values from `low` up to, not including, `high` (None: without end)."""

    label: str
    low: float
    high: float | None
    count: int
    height: float
    """Percent of the tallest bar of the same row."""


@dataclass(frozen=True, slots=True)
class HistogramRow:
    """The histogram of one group."""

    name: str
    bars: tuple[Bar, ...]
    n: int
    middle: float
    """Median of the values."""
    largest: float


@dataclass(frozen=True, slots=True)
class Histogram:
    """Histograms of several groups over the same bins, one below the other."""

    rows: tuple[HistogramRow, ...]
    ticks: tuple[str, ...]
    """The lower edge of each bin for people: "64" characters, "20 ms", "5 s"."""


def histogram(groups: Mapping[str, Sequence[float]], edges: Sequence[float], unit: str) -> Histogram | None:
    """Count each group's values in the bins between `edges`, without the empty bins at both ends.

    `unit` is "characters" or "seconds" and decides how edges are written. A value below the first edge counts in
    the first bin, one at or above the last edge in a bin without end. None where there are no values.
    """
    filled = {name: values for name, values in groups.items() if values}
    if not filled:
        return None
    counts = {name: _count(values, edges) for name, values in filled.items()}
    used = [index for index in range(len(edges)) if any(row[index] for row in counts.values())]
    shown = range(used[0], used[-1] + 1)
    lows = [edges[index] for index in shown]
    highs = [edges[index + 1] if index + 1 < len(edges) else None for index in shown]
    rows = []
    for name, values in filled.items():
        top = max(counts[name])
        bars = tuple(
            Bar(bin_label(low, high, unit), low, high, counts[name][index], 100 * counts[name][index] / top)
            for index, low, high in zip(shown, lows, highs, strict=True)
        )
        rows.append(HistogramRow(name, bars, len(values), median(values), max(values)))
    ticks = (duration(low) if unit == "seconds" else f"{low:,.0f}" for low in lows)
    return Histogram(tuple(rows), tuple(ticks))


def _count(values: Iterable[float], edges: Sequence[float]) -> list[int]:
    counts = [0] * len(edges)
    for value in values:
        counts[max(bisect_right(edges, value) - 1, 0)] += 1
    return counts


def bin_label(low: float, high: float | None, unit: str) -> str:
    """A bin for people: "8 to 15 characters", "20 ms to 50 ms", "from 8,192 characters"."""
    if unit == "seconds":
        return f"from {duration(low)}" if high is None else f"{duration(low)} to {duration(high)}"
    if high is None:
        return f"from {low:,.0f} {unit}"
    if high - low == 1:
        return f"{low:,.0f} {unit if low != 1 else unit.removesuffix('s')}"
    return f"{low:,.0f} to {high - 1:,.0f} {unit}"


def duration(seconds: float) -> str:
    """Wall-clock time for people: "0.4 ms", "32 ms", "1.25 s", "3 min 20 s", "2 h 05 min"."""
    if seconds < 1:
        return f"{seconds * 1000:.2g} ms" if seconds < 0.0995 else f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a stacked bar."""

    name: str
    count: int
    start: float
    width: float


@dataclass(frozen=True, slots=True)
class StackedBar:
    """One row whose segments fill 100 percent."""

    name: str
    n: int
    segments: tuple[Segment, ...]


def stacked_bar(name: str, counts: Mapping[str, int], order: Sequence[str]) -> StackedBar:
    """The shares of `counts`, in `order`; an empty row has no segments."""
    total = sum(counts.get(part, 0) for part in order)
    segments = []
    start = 0.0
    for part in order:
        if count := counts.get(part, 0):
            width = 100 * count / total
            segments.append(Segment(part, count, start, width))
            start += width
    return StackedBar(name, total, tuple(segments))


def reliability(calibration: Calibration) -> list[tuple[CalibrationBin, Interval]]:
    """The points of a reliability diagram: the filled bins, with the intervals of their accuracies."""
    return [(part, wilson(part.accuracy * part.n, part.n)) for part in calibration.bins if part.accuracy is not None]


def symmetric_limit(ends: Iterable[float]) -> float:
    """The half-width of an axis around 0 that holds all `ends`: 0.05, 0.1, 0.2, 0.4, 0.6, 0.8 or 1."""
    largest = max((abs(end) for end in ends), default=0.0)
    steps = (0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)
    return next((step for step in steps if largest <= step), steps[-1])
