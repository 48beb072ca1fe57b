"""The page of a comparison: which tasks rose, fell or cannot be told apart, and the samples that changed."""

from collections.abc import Iterable, Iterator

from app.evaluation.schema import Comparison, GroupComparison, SampleChange, Side, TaskComparison, Verdict
from app.report import charts
from app.report.page import readable, render_page, rounded, table

CHANGE_TEXTS = ("id", "task_name", "task_type", "metric", "prompt", "answer_a", "answer_b", "gold")
CHANGE_VALUES = ("score_a", "score_b", "difference")
STYLES = {Verdict.ROSE: "rose", Verdict.FELL: "fell", Verdict.UNDECIDED: "same"}
"""Verdict -> class in the style sheet."""


def render_comparison(comparison: Comparison) -> str:
    """The page `comparison.html`: one file that needs no network, like the report's."""
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
