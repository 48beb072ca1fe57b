"""Two evaluations of the same samples side by side: which tasks rose, fell or cannot be told apart."""

from collections import Counter, defaultdict
from collections.abc import Sequence
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
    Difference,
    Drawn,
    benjamini_hochberg,
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
from app.evaluation.summaries import columns, generator
from app.files import dump

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


def compare(folder_a: Path, folder_b: Path, alpha: float = ALPHA, seed: int = 0) -> Comparison:
    """Judge the evaluation in `folder_b` against that in `folder_a`, on the samples that both answered and scored.

    Raises:
        InputError: a folder holds no evaluation, or the two share no sample that both could score.
    """
    a, b = read_evaluation(folder_a), read_evaluation(folder_b)
    pairs, notes = _pair(a, b)
    by_task: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        by_task[pair[0].task_name].append(pair)
    tested = {name: _test(inside, name, seed) for name, inside in by_task.items()}
    adjusted = benjamini_hochberg([task.p_value for task in tested.values()])
    by_track: dict[str, list[_Tested]] = defaultdict(list)
    for task in tested.values():
        by_track[task.pairs[0][0].track].append(task)
    in_order = sorted(by_track, key=lambda name: (track_number(name) or 9, name))
    draws = {name: _over_tasks(by_track[name]) for name in in_order}
    tracks = {
        name: _group(track_title(name), by_track[name], len(by_track[name]), drawn, alpha)
        for name, drawn in draws.items()
    }
    every, over_tracks = list(tested.values()), mean_over_tracks(list(draws.values()))
    return Comparison(
        created=datetime.now(UTC),
        a=Side(name=a.report.name or str(folder_a), created=a.report.created, provenance=a.report.provenance),
        b=Side(name=b.report.name or str(folder_b), created=b.report.created, provenance=b.report.provenance),
        alpha=alpha,
        n=len(pairs),
        tasks={name: _task(task, p, alpha) for (name, task), p in zip(tested.items(), adjusted, strict=True)},
        tracks=tracks,
        mean_over_tasks=_group("Mean over tasks", every, len(every), _over_tasks(every), alpha),
        mean_over_tracks=_group("Mean over tracks", list(tracks.values()), len(every), over_tracks, alpha),
        changes=_changes(pairs),
        notes=notes,
    )


def _pair(a: Evaluation, b: Evaluation) -> tuple[list[Pair], list[str]]:
    """Samples of the same content on both sides, and what was left out.

    A sample is its prompt, metric and gold label: ids and names of tasks follow the file, which may be renamed. Where
    several are alike, those of one id and task are a pair, and the rest in their order.
    """
    waiting: dict[str, list[SampleResult]] = defaultdict(list)
    for right in b.results:
        waiting[_content(right)].append(right)
    shared: dict[int, SampleResult] = {}
    for exactly in (True, False):
        for place, left in enumerate(a.results):
            alike = waiting[_content(left)]
            known = [one for one in alike if (one.id, one.task_name) == (left.id, left.task_name)] if exactly else alike
            if place not in shared and known:
                shared[place] = known[0]
                alike.remove(known[0])
    both = [(a.results[place], right) for place, right in sorted(shared.items())]
    answered = [(left, right) for left, right in both if not left.missing and not right.missing]
    pairs = [(left, right) for left, right in answered if left.score is not None and right.score is not None]
    alone_a = Counter((left.prompt, left.metric) for place, left in enumerate(a.results) if place not in shared)
    alone_b = Counter((right.prompt, right.metric) for rest in waiting.values() for right in rest)
    # A changed label is no change of the answers.
    relabelled = (alone_a & alone_b).total()
    renamed = sum(left.task_name != right.task_name for left, right in pairs)
    told = [
        (relabelled, "samples have another gold label in B: left out"),
        (alone_a.total() - relabelled, "samples of A are not in B, by prompt, metric and gold label: left out"),
        (alone_b.total() - relabelled, "samples of B are not in A: left out"),
        (sum(left.missing for left, _ in both), "samples have no prediction in A: left out"),
        (sum(right.missing for _, right in both), "samples have no prediction in B: left out"),
        (len(answered) - len(pairs), "samples have no score on one side or both: left out"),
        (renamed, "samples belong to a task of another name in B: A's names stand"),
    ]
    notes = [f"{count} {what}" for count, what in told if count]
    if not pairs:
        why = "; ".join(notes) or "both are empty"
        raise InputError(f"the two evaluations share no scored sample ({why}): compare answers to one file")
    notes += [f"{name}: {side.report.failure}" for name, side in (("A", a), ("B", b)) if side.report.failure]
    return pairs, notes


def _content(result: SampleResult) -> str:
    return dump([result.task_type, result.prompt, result.metric, result.gold])


def _test(pairs: Sequence[Pair], name: str, seed: int) -> _Tested:
    a, b = columns([left for left, _ in pairs]), columns([right for _, right in pairs])
    # Rounding in a text's embedding must not pass for a difference.
    b = np.where(np.abs(b - a) < SAME, a, b)
    statistic = pooled_f1 if a.shape[1] > 1 else mean
    difference = paired_bootstrap(a, b, statistic, generator(seed, name))
    p_mcnemar = None
    if pairs[0][0].metric == Metric.ACCURACY:
        p_mcnemar = mcnemar([left.score == 1 for left, _ in pairs], [right.score == 1 for _, right in pairs])
    return _Tested(pairs, difference, float(statistic(a)), float(statistic(b)), p_mcnemar)


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
        interval=percentile(task.difference.drawn, "pooled bootstrap" if pooled else "bootstrap"),
        better=sum(delta > SAME for delta in deltas),
        worse=sum(delta < -SAME for delta in deltas),
        p_bootstrap=task.difference.p_value,
        p_mcnemar=task.p_mcnemar,
        test="mcnemar" if task.p_mcnemar is not None else "paired bootstrap",
        p_value=task.p_value,
        p_adjusted=p_adjusted,
        verdict=verdict(task.difference.drawn.estimate, p_adjusted, alpha),
    )


def _over_tasks(tasks: Sequence[_Tested]) -> Drawn:
    return mean_over_tasks([task.difference.drawn for task in tasks])


def _group(
    title: str, parts: Sequence[_Tested | GroupComparison], n_tasks: int, drawn: Drawn, alpha: float
) -> GroupComparison:
    """The mean over tasks or tracks; `drawn` has the draws of its difference."""
    p_value = tail_share(drawn) if np.ptp(drawn.draws) > 0 else 1.0
    return GroupComparison(
        title=title,
        n_tasks=n_tasks,
        score_a=fmean(part.score_a for part in parts),
        score_b=fmean(part.score_b for part in parts),
        delta=drawn.estimate,
        interval=percentile(drawn),
        p_value=p_value,
        verdict=verdict(drawn.estimate, p_value, alpha),
    )


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
