"""Two evaluations of the same samples side by side: which tasks rose, fell or cannot be told apart."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean

import numpy as np

from app.errors import InputError
from app.evaluation.evaluation import Evaluation, read_evaluation
from app.evaluation.names import Metric, track_number, track_title
from app.evaluation.schema import Comparison, GroupComparison, SampleChange, SampleResult, Side, TaskComparison
from app.evaluation.scoring import SAME
from app.evaluation.statistics import (
    DRAWS,
    Difference,
    Drawn,
    Floats,
    benjamini_hochberg,
    expanded_percentile,
    mcnemar,
    mean,
    mean_over_tasks,
    mean_over_tracks,
    paired_bootstrap,
    percentile,
    pooled_f1,
    tail_share,
    verdict,
)
from app.evaluation.summaries import generator

ALPHA = 0.05
Pair = tuple[SampleResult, SampleResult]


@dataclass(frozen=True, slots=True)
class _Tested:
    """One task's pairs and what the tests say of them."""

    pairs: Sequence[Pair]
    difference: Difference
    score_a: float
    score_b: float
    p_mcnemar: float | None

    @property
    def p_value(self) -> float:
        """McNemar's where there is one, else the bootstrap's; a single sample decides nothing."""
        chosen = self.p_mcnemar if self.p_mcnemar is not None else self.difference.p_value
        return 1.0 if chosen is None else chosen


def compare(folder_a: Path, folder_b: Path, alpha: float = ALPHA, seed: int = 0, draws: int = DRAWS) -> Comparison:
    """Judge the evaluation in `folder_b` against that in `folder_a`, on the samples that both scored.

    Raises:
        InputError: a folder holds no evaluation, or the two share no sample that both could score.
    """
    a, b = read_evaluation(folder_a), read_evaluation(folder_b)
    pairs, notes = _pair(a, b)
    tested = {name: _test(inside, name, seed, draws) for name, inside in _by_task(pairs).items()}
    adjusted = benjamini_hochberg([task.p_value for task in tested.values()])
    tracks = _by_track(tested)
    return Comparison(
        created=datetime.now(UTC),
        a=_side(folder_a, a),
        b=_side(folder_b, b),
        alpha=alpha,
        n=len(pairs),
        tasks={
            name: _task(task, p_adjusted, alpha)
            for (name, task), p_adjusted in zip(tested.items(), adjusted, strict=True)
        },
        tracks={name: _group(track_title(name), inside, alpha) for name, inside in tracks.items()},
        mean_over_tasks=_group("Mean over tasks", list(tested.values()), alpha),
        mean_over_tracks=_mean_over_tracks(tracks, alpha),
        changes=_changes(pairs),
        notes=notes,
    )


def _pair(a: Evaluation, b: Evaluation) -> tuple[list[Pair], list[str]]:
    by_id = {result.id: result for result in b.results}
    shared = [(left, by_id[left.id]) for left in a.results if left.id in by_id]
    for left, right in shared:
        if (left.prompt, left.metric, left.task_name) != (right.prompt, right.metric, right.task_name):
            raise InputError(f"sample {left.id!r} is not the same on both sides: compare answers to one file")
    pairs = [(left, right) for left, right in shared if left.score is not None and right.score is not None]
    if not pairs:
        raise InputError("the two evaluations share no scored sample: compare answers to one file")
    notes = []
    if alone := len(a.results) + len(b.results) - 2 * len(shared):
        notes.append(f"{alone} samples stand on one side only: left out")
    if unscored := len(shared) - len(pairs):
        notes.append(f"{unscored} samples have no score on one side or both: left out")
    return pairs, notes


def _by_task(pairs: Iterable[Pair]) -> dict[str, list[Pair]]:
    groups: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        groups[pair[0].task_name].append(pair)
    return groups


def _test(pairs: Sequence[Pair], name: str, seed: int, draws: int) -> _Tested:
    a, b = _columns([left for left, _ in pairs]), _columns([right for _, right in pairs])
    # Rounding in a text's embedding must not pass for a difference.
    b = np.where(np.abs(b - a) < SAME, a, b)
    statistic = pooled_f1 if a.shape[1] > 1 else mean
    difference = paired_bootstrap(a, b, statistic, generator(seed, name), draws)
    return _Tested(pairs, difference, float(statistic(a)), float(statistic(b)), _mcnemar(pairs))


def _columns(results: Sequence[SampleResult]) -> Floats:
    if results[0].counts is not None:
        return np.array([result.counts for result in results], dtype=np.float64)
    return np.array([[result.score] for result in results], dtype=np.float64)


def _mcnemar(pairs: Sequence[Pair]) -> float | None:
    if any(left.metric != Metric.ACCURACY for left, _ in pairs):
        return None
    return mcnemar([left.score == 1 for left, _ in pairs], [right.score == 1 for _, right in pairs])


def _task(task: _Tested, p_adjusted: float, alpha: float) -> TaskComparison:
    first = task.pairs[0][0]
    deltas = [_delta(pair) for pair in task.pairs]
    pooled = first.metric == Metric.MICRO_F1
    return TaskComparison(
        task_type=first.task_type,
        track=first.track,
        metric=" + ".join(dict.fromkeys(left.metric for left, _ in task.pairs)),
        n=len(task.pairs),
        score_a=task.score_a,
        score_b=task.score_b,
        delta=task.difference.drawn.estimate,
        interval=expanded_percentile(task.difference.drawn, "pooled bootstrap" if pooled else "bootstrap"),
        better=sum(delta > SAME for delta in deltas),
        worse=sum(delta < -SAME for delta in deltas),
        p_bootstrap=task.difference.p_value,
        p_mcnemar=task.p_mcnemar,
        test="mcnemar" if task.p_mcnemar is not None else "paired bootstrap",
        p_value=task.p_value,
        p_adjusted=p_adjusted,
        verdict=verdict(task.difference.drawn.estimate, p_adjusted, alpha),
    )


def _by_track(tested: Mapping[str, _Tested]) -> dict[str, list[_Tested]]:
    groups: dict[str, list[_Tested]] = defaultdict(list)
    for task in tested.values():
        groups[task.pairs[0][0].track].append(task)
    return {name: groups[name] for name in sorted(groups, key=lambda name: (track_number(name) or 9, name))}


def _group(title: str, tasks: Sequence[_Tested], alpha: float) -> GroupComparison:
    drawn = mean_over_tasks([task.difference.drawn for task in tasks])
    return _from_draws(title, len(tasks), (_mean_a(tasks), _mean_b(tasks)), drawn, alpha)


def _mean_over_tracks(tracks: Mapping[str, Sequence[_Tested]], alpha: float) -> GroupComparison:
    drawn = mean_over_tracks([mean_over_tasks([task.difference.drawn for task in tasks]) for tasks in tracks.values()])
    scores = (fmean(map(_mean_a, tracks.values())), fmean(map(_mean_b, tracks.values())))
    return _from_draws("Mean over tracks", sum(map(len, tracks.values())), scores, drawn, alpha)


def _from_draws(title: str, n_tasks: int, scores: tuple[float, float], drawn: Drawn, alpha: float) -> GroupComparison:
    p_value = tail_share(drawn) if np.ptp(drawn.draws) > 0 else 1.0
    return GroupComparison(
        title=title,
        n_tasks=n_tasks,
        score_a=scores[0],
        score_b=scores[1],
        delta=drawn.estimate,
        interval=percentile(drawn),
        p_value=p_value,
        verdict=verdict(drawn.estimate, p_value, alpha),
    )


def _mean_a(tasks: Sequence[_Tested]) -> float:
    return fmean(task.score_a for task in tasks)


def _mean_b(tasks: Sequence[_Tested]) -> float:
    return fmean(task.score_b for task in tasks)


def _changes(pairs: Sequence[Pair]) -> list[SampleChange]:
    changed = [pair for pair in pairs if abs(_delta(pair)) > SAME]
    return [
        SampleChange(
            id=left.id,
            task_name=left.task_name,
            prompt=left.prompt,
            answer_a=left.answer,
            answer_b=right.answer,
            gold=left.gold,
            score_a=left.score or 0.0,
            score_b=right.score or 0.0,
        )
        for left, right in sorted(changed, key=lambda pair: -abs(_delta(pair)))
    ]


def _delta(pair: Pair) -> float:
    return (pair[1].score or 0.0) - (pair[0].score or 0.0)


def _side(folder: Path, evaluation: Evaluation) -> Side:
    report = evaluation.report
    return Side(name=str(folder), created=report.created, provenance=report.provenance)
