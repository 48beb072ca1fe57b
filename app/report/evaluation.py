"""The report's page: one HTML file that needs nothing else, neither a network nor a server."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable

from app.evaluation.schema import EvalReport, SampleResult, TaskScore, TrackScore
from app.report import charts
from app.report.page import render_page, sample_table
from app.types import Outcome

LOUD = 0.05
"""Above this share of samples without an answer of the model's own, that is the first thing to say of a score."""
OUTCOME_ORDER = (*(outcome.value for outcome in Outcome), "unknown")


def render_report(report: EvalReport, samples: Iterable[SampleResult]) -> str:
    """The page `report.html`: headline, charts, every sample and where the answers came from.

    The samples stand in the page as JSON and are shown by a script; the figures and charts need none.
    """
    rows = list(samples)
    return render_page(
        "report.html.j2",
        data=sample_table(rows),
        report=report,
        groups=track_groups(report),
        marks=lambda number: [(one.system, one.tracks[number]) for one in report.published if number in one.tracks],
        loud=report.failed_share > LOUD,
        above=above_baselines(report),
        outcomes=outcome_bars(report, rows),
        outcome_order=[outcome for outcome in OUTCOME_ORDER if report.outcomes.get(outcome)],
        points=charts.reliability(report.calibration) if report.calibration else (),
        lengths=charts.histogram(
            _by_type(rows, lambda sample: float(sample.output_characters)), charts.LENGTH_EDGES, "characters"
        ),
        times=charts.histogram(_by_type(rows, lambda sample: sample.seconds), charts.SECONDS_EDGES, "seconds"),
        types=list(dict.fromkeys(sample.task_type.value for sample in rows)),
        sample_count=len(rows),
    )


def track_groups(report: EvalReport) -> list[tuple[TrackScore, list[tuple[str, TaskScore]]]]:
    """Tracks by number, unknown ones last, each with its tasks, best first and those without a score last."""
    tracks = sorted(report.tracks.values(), key=lambda track: (track.number is None, track.number or 0, track.name))
    ordered = sorted(report.tasks.items(), key=lambda task: (task[1].score is None, -(task[1].score or 0.0)))
    return [(track, [task for task in ordered if task[0] in track.tasks]) for track in tracks]


def above_baselines(report: EvalReport) -> tuple[int, int]:
    """How many tasks' intervals lie wholly above all their baselines, and how many tasks have a score and a baseline.

    Of a single sample nothing is clear.
    """
    verdicts = []
    for task in report.tasks.values():
        baselines = [value for value in (task.baselines.random, task.baselines.majority) if value is not None]
        if task.score is not None and baselines:
            verdicts.append(task.n > 1 and task.interval is not None and task.interval.low > max(baselines))
    return sum(verdicts), len(verdicts)


def outcome_bars(report: EvalReport, samples: Iterable[SampleResult]) -> list[charts.StackedBar]:
    """All samples first, as the report counts them, then each task type."""
    by_type: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for sample in samples:
        by_type[sample.task_type.value][sample.outcome.value if sample.outcome else "unknown"] += 1
    bars = [charts.stacked_bar("all samples", report.outcomes, OUTCOME_ORDER)]
    return bars + [charts.stacked_bar(name, counts, OUTCOME_ORDER) for name, counts in by_type.items()]


def _by_type(
    samples: Iterable[SampleResult], measure: Callable[[SampleResult], float | None]
) -> dict[str, list[float]]:
    groups: defaultdict[str, list[float]] = defaultdict(list)
    for sample in samples:
        value = measure(sample)
        if value is not None and not sample.missing:
            groups[sample.task_type.value].append(value)
    return groups
