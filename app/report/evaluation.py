"""The pages of an evaluation and of a comparison of two: HTML files that need neither a network nor a server."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator

from app.evaluation.schema import (
    Comparison,
    EvalReport,
    GroupComparison,
    SampleChange,
    SampleResult,
    Side,
    TaskComparison,
    TaskScore,
    TrackScore,
    Verdict,
)
from app.report import charts
from app.report.page import readable, render_page, rounded, sample_table, table
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


CHANGE_TEXTS = ("id", "task_name", "task_type", "metric", "prompt", "answer_a", "answer_b", "gold")
CHANGE_VALUES = ("score_a", "score_b", "difference")
STYLES = {Verdict.ROSE: "rose", Verdict.FELL: "fell", Verdict.UNDECIDED: "same"}
"""Verdict -> class in the style sheet."""


def render_comparison(comparison: Comparison) -> str:
    """The page `comparison.html`: which tasks rose, fell or cannot be told apart, and the samples that changed."""
    changes = (_change_row(change, comparison.tasks[change.task_name]) for change in comparison.changes)
    return render_page(
        "comparison.html.j2",
        data=table("comparison", changes, CHANGE_TEXTS, CHANGE_VALUES),
        comparison=comparison,
        groups=verdict_groups(comparison),
        origins=origins(comparison.a, comparison.b),
        means=_means(comparison),
        task_limit=charts.symmetric_limit(_ends(comparison.tasks.values())),
        mean_limit=charts.symmetric_limit(_ends(_means(comparison))),
        styles=STYLES,
        types=list(dict.fromkeys(task.task_type.value for task in comparison.tasks.values())),
    )


def verdict_groups(comparison: Comparison) -> dict[Verdict, list[tuple[str, TaskComparison]]]:
    """Risen tasks, fallen tasks, the rest, each largest difference first; verdicts that no task got are left out."""
    ordered = sorted(comparison.tasks.items(), key=lambda pair: -abs(pair[1].delta))
    groups = {verdict: [pair for pair in ordered if pair[1].verdict is verdict] for verdict in Verdict}
    return {verdict: tasks for verdict, tasks in groups.items() if tasks}


def origins(a: Side, b: Side) -> list[tuple[str, str | None, str | None]]:
    """What is known of where both sides' answers came from, what differs first: it could explain the difference."""
    left, right = _facts(a), _facts(b)
    found = [(name, left.get(name), right.get(name)) for name in dict.fromkeys([*left, *right])]
    return sorted(found, key=lambda fact: fact[1] == fact[2])


def _facts(side: Side) -> dict[str, str]:
    source = side.provenance
    facts = {
        "model": source.model,
        "engine": source.engine,
        "engine version": source.engine_version,
        "prompt fingerprint": source.prompt_fingerprint,
        "git revision": source.git_revision,
    } | {f"setting {name}": value for name, value in source.settings.items()}
    return {name: str(value) for name, value in facts.items() if value is not None}


def _means(comparison: Comparison) -> list[GroupComparison]:
    return [comparison.mean_over_tasks, comparison.mean_over_tracks, *comparison.tracks.values()]


def _ends(rows: Iterable[TaskComparison | GroupComparison]) -> Iterator[float]:
    for row in rows:
        yield row.delta
        if row.interval:
            yield row.interval.low
            yield row.interval.high


def _change_row(change: SampleChange, task: TaskComparison) -> dict[str, object]:
    return change.model_dump() | {
        "task_type": task.task_type.value,
        "metric": task.metric,
        "gold": readable(change.gold),
        "score_a": rounded(change.score_a),
        "score_b": rounded(change.score_b),
        "difference": rounded(change.score_b - change.score_a),
    }
