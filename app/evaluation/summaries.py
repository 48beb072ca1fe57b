"""Scores of tasks, tracks and the whole file, with their intervals and baselines."""

import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from types import MappingProxyType

import numpy as np

from app.errors import InputError
from app.evaluation.baselines import baselines
from app.evaluation.names import Metric, track_number, track_title
from app.evaluation.schema import (
    Baselines,
    Calibration,
    CalibrationBin,
    Interval,
    Overall,
    SampleResult,
    TaskScore,
    TrackScore,
)
from app.evaluation.scoring import SampleScore, Scorer, aggregate
from app.evaluation.statistics import (
    Drawn,
    Floats,
    bootstrap,
    expanded_percentile,
    mean,
    mean_over_tasks,
    mean_over_tracks,
    percentile,
    pooled_f1,
    wilson,
    within_scores,
)
from app.types import Sample, TaskType


@dataclass(frozen=True, slots=True)
class TaskSummary:
    """A task's score and, where it has one, the bootstrap distribution of that score."""

    score: TaskScore
    drawn: Drawn | None


def summarise_task(
    samples: Sequence[Sample], scores: Sequence[SampleScore], scorer: Scorer, seed: int, others: Sequence[Sample] = ()
) -> TaskSummary:
    """One task, from its samples and their scores; `others` are samples for the majority baseline to learn from.

    Raises:
        InputError: the task mixes micro F1 with another metric, or several task types.
    """
    _check(samples)
    known = [score for score in scores if score.score is not None]
    drawn = _draw(known, seed, samples[0].task_name) if known else None
    reasons = dict.fromkeys(score.reason for score in scores if score.reason)
    return TaskSummary(
        TaskScore(
            task_type=samples[0].task_type,
            track=samples[0].track,
            metric=" + ".join(dict.fromkeys(sample.metric for sample in samples)),
            n=len(known),
            score=aggregate(scores),
            interval=_interval(samples[0].metric, known, drawn),
            not_scored=len(scores) - len(known),
            not_scored_reason="; ".join(reasons) or None,
            baselines=baselines(samples, scorer, seed, others),
        ),
        drawn,
    )


def summarise_tasks(
    samples: Sequence[Sample],
    scores: Sequence[SampleScore],
    scorer: Scorer,
    seed: int,
    others: Mapping[str, Sequence[Sample]] = MappingProxyType({}),
) -> dict[str, TaskSummary]:
    """Every task by name, as `summarise_task`; `others` are its samples for the majority baseline, by task.

    Raises:
        InputError: as `summarise_task`.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for position, sample in enumerate(samples):
        groups[sample.task_name].append(position)
    return {
        name: summarise_task(
            [samples[i] for i in inside], [scores[i] for i in inside], scorer, seed, others.get(name, ())
        )
        for name, inside in groups.items()
    }


def summarise_tracks(tasks: Mapping[str, TaskSummary]) -> tuple[dict[str, TrackScore], dict[str, Drawn]]:
    """The mean over each track's scored tasks, competition tracks in order and others after; and its draws."""
    names = dict.fromkeys(task.score.track for task in tasks.values())
    scores: dict[str, TrackScore] = {}
    draws: dict[str, Drawn] = {}
    for name in sorted(names, key=lambda name: (track_number(name) or len(names) + 9, name)):
        inside = {key: task for key, task in tasks.items() if task.score.track == name}
        drawn = _mean(inside.values())
        if drawn:
            draws[name] = drawn
        scores[name] = TrackScore(
            name=track_title(name),
            number=track_number(name),
            tasks=list(inside),
            score=_mean_score(inside.values()),
            interval=within_scores(percentile(drawn)) if drawn else None,
            baselines=mean_baselines([task.score for task in inside.values()]),
        )
    return scores, draws


def summarise_all(
    tasks: Mapping[str, TaskSummary],
    tracks: Mapping[str, TrackScore],
    track_draws: Mapping[str, Drawn],
    not_scored: Mapping[str, int],
) -> Overall:
    """The figure that the kit's script prints (mean over tasks), and that of track 5 (mean over tracks)."""
    over_tasks = _mean(tasks.values())
    over_tracks = mean_over_tracks(list(track_draws.values())) if track_draws else None
    known = [track.score for track in tracks.values() if track.score is not None]
    return Overall(
        mean_over_tasks=_mean_score(tasks.values()),
        mean_over_tasks_interval=within_scores(percentile(over_tasks)) if over_tasks else None,
        mean_over_tracks=fmean(known) if known else None,
        mean_over_tracks_interval=within_scores(percentile(over_tracks)) if over_tracks else None,
        n_tasks=sum(task.score.score is not None for task in tasks.values()),
        n_samples=sum(task.score.n for task in tasks.values()),
        not_scored=dict(not_scored),
        baselines=mean_baselines([task.score for task in tasks.values()]),
    )


def mean_baselines(tasks: Sequence[TaskScore]) -> Baselines:
    """Means over the scored tasks; None if any of them has no such baseline, for the means would not compare."""
    scored = [task.baselines for task in tasks if task.score is not None]
    return Baselines(
        random=_complete_mean([part.random for part in scored]),
        majority=_complete_mean([part.majority for part in scored]),
    )


def columns(scores: Sequence[SampleScore]) -> Floats:
    """Per-sample values to resample: one column of scores, or three of micro F1's counts. All are scored."""
    if scores[0].counts is not None:
        return np.array([score.counts for score in scores], dtype=np.float64)
    return np.array([[score.score] for score in scores], dtype=np.float64)


def generator(seed: int, name: str) -> np.random.Generator:
    """Random numbers of one task, whatever other tasks stand beside it."""
    return np.random.default_rng([seed, zlib.crc32(name.encode("utf-8", "surrogatepass"))])


def _draw(known: Sequence[SampleScore], seed: int, name: str) -> Drawn:
    statistic = pooled_f1 if known[0].counts is not None else mean
    return bootstrap(columns(known), statistic, generator(seed, name))


def _interval(metric: str, known: Sequence[SampleScore], drawn: Drawn | None) -> Interval | None:
    if drawn is None:
        return None
    if metric == Metric.ACCURACY:
        return wilson(sum(score.score or 0.0 for score in known), len(known))
    return expanded_percentile(drawn, "pooled bootstrap" if metric == Metric.MICRO_F1 else "bootstrap")


def _check(samples: Sequence[Sample]) -> None:
    kinds = {(sample.task_type, sample.metric == Metric.MICRO_F1) for sample in samples}
    if len(kinds) > 1:
        raise InputError(
            f"task {samples[0].task_name!r} mixes task types ({', '.join(sorted(kind for kind, _ in kinds))}): "
            "give each type a task name of its own"
        )


def _mean(tasks: Iterable[TaskSummary]) -> Drawn | None:
    drawn = [task.drawn for task in tasks if task.drawn is not None]
    return mean_over_tasks(drawn) if drawn else None


def _mean_score(tasks: Iterable[TaskSummary]) -> float | None:
    known = [task.score.score for task in tasks if task.score.score is not None]
    return fmean(known) if known else None


def _complete_mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known and len(known) == len(values) else None


BINS = 10


def calibration(results: Sequence[SampleResult]) -> Calibration | None:
    """Reliability in equal-width bins, ECE (Guo et al., 2017) and Brier score; None without probabilities.

    The confidence of a sample is its highest label probability; it is right if that label is the gold one.
    """
    rated = [
        (result, result.label_probs)
        for result in results
        if result.task_type is TaskType.MULTIPLE_CHOICE and result.label_probs
    ]
    if not rated:
        return None
    points = [(max(probs.values()), _top(probs) == str(result.gold)) for result, probs in rated]
    bins = [_bin(points, number) for number in range(BINS)]
    gaps = [
        abs(part.accuracy - part.confidence) * part.n
        for part in bins
        if part.accuracy is not None and part.confidence is not None
    ]
    masses = [result.label_mass for result, _ in rated if result.label_mass is not None]
    return Calibration(
        n=len(points),
        ece=sum(gaps) / len(points),
        brier=fmean(_brier(probs, str(result.gold)) for result, probs in rated),
        mean_label_mass=fmean(masses) if masses else None,
        bins=bins,
    )


def _top(probs: Mapping[str, float]) -> str:
    return max(probs, key=lambda label: probs[label])


def _bin(points: Sequence[tuple[float, bool]], number: int) -> CalibrationBin:
    low, high = number / BINS, (number + 1) / BINS
    inside = [point for point in points if low < point[0] <= high or (number == 0 and point[0] <= 0)]
    return CalibrationBin(
        low=low,
        high=high,
        n=len(inside),
        confidence=fmean(confidence for confidence, _ in inside) if inside else None,
        accuracy=fmean(right for _, right in inside) if inside else None,
    )


def _brier(probs: Mapping[str, float], gold: str) -> float:
    labels = dict.fromkeys((*probs, gold))  # in one order, so that the last digit is the same each time
    return sum((probs.get(label, 0.0) - (label == gold)) ** 2 for label in labels)
