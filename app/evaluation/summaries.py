"""Scores of tasks, tracks and the whole file, with their intervals and baselines."""

import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from app.errors import InputError
from app.evaluation.baselines import baselines
from app.evaluation.names import Metric, track_number, track_title
from app.evaluation.schema import (
    Baselines,
    Calibration,
    CalibrationBin,
    GroupScore,
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
    mean,
    mean_over_tasks,
    mean_over_tracks,
    percentile,
    pooled_f1,
    score_interval,
    wilson,
)
from app.types import Sample, TaskType


@dataclass(frozen=True, slots=True)
class TaskSummary:
    """A task's score and, where it has one, the bootstrap distribution of that score."""

    score: TaskScore
    drawn: Drawn | None


def summarise_tasks(
    samples: Sequence[Sample], scores: Sequence[SampleScore], scorer: Scorer, seed: int, known: Sequence[Sample] = ()
) -> dict[str, TaskSummary]:
    """Every task by name, in the samples' order, from its samples and their scores.

    `known` are samples that the majority baseline takes its answers from, instead of leave-one-out.

    Raises:
        InputError: a task mixes task types.
    """
    tasks: dict[str, list[tuple[Sample, SampleScore]]] = defaultdict(list)
    for sample, score in zip(samples, scores, strict=True):
        tasks[sample.task_name].append((sample, score))
    others: dict[str, list[Sample]] = defaultdict(list)
    for sample in known:
        others[sample.task_name].append(sample)
    return {
        name: _summarise_task(
            [sample for sample, _ in pairs], [score for _, score in pairs], scorer, seed, others[name]
        )
        for name, pairs in tasks.items()
    }


def _summarise_task(
    samples: Sequence[Sample], scores: Sequence[SampleScore], scorer: Scorer, seed: int, others: Sequence[Sample]
) -> TaskSummary:
    kinds = sorted({sample.task_type for sample in samples})
    if len(kinds) > 1:
        raise InputError(
            f"task {samples[0].task_name!r} mixes task types ({', '.join(kinds)}): "
            "give each type a task name of its own"
        )
    known = [score for score in scores if score.score is not None]
    drawn = None
    if known:
        statistic = pooled_f1 if known[0].counts is not None else mean
        drawn = bootstrap(columns(known), statistic, generator(seed, samples[0].task_name))
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


def summarise_tracks(tasks: Mapping[str, TaskSummary]) -> tuple[dict[str, TrackScore], dict[str, Drawn]]:
    """The mean over each track's scored tasks, competition tracks in order and others after; and its draws."""
    tracks: dict[str, TrackScore] = {}
    draws: dict[str, Drawn] = {}
    names = {task.score.track for task in tasks.values()}
    for name in sorted(names, key=lambda name: (track_number(name) or len(names) + 9, name)):
        inside = {key: task for key, task in tasks.items() if task.score.track == name}
        drawn = _mean_drawn(inside.values())
        if drawn:
            draws[name] = drawn
        tracks[name] = TrackScore(
            name=track_title(name), number=track_number(name), **vars(_summarise_group(inside, drawn))
        )
    return tracks, draws


def summarise_types(tasks: Mapping[str, TaskSummary]) -> dict[TaskType, GroupScore]:
    """The mean over each task type's scored tasks, in the order of `TaskType`."""
    groups = {kind: {key: task for key, task in tasks.items() if task.score.task_type is kind} for kind in TaskType}
    return {kind: _summarise_group(inside, _mean_drawn(inside.values())) for kind, inside in groups.items() if inside}


def _summarise_group(inside: Mapping[str, TaskSummary], drawn: Drawn | None) -> GroupScore:
    return GroupScore(
        tasks=list(inside),
        score=_mean(task.score.score for task in inside.values()),
        interval=score_interval(drawn),
        baselines=_mean_baselines([task.score for task in inside.values()]),
    )


def summarise_all(
    tasks: Mapping[str, TaskSummary],
    tracks: Mapping[str, TrackScore],
    track_draws: Mapping[str, Drawn],
    not_scored: Mapping[str, int],
) -> Overall:
    """The figure that the kit's script prints (mean over tasks), and that of track 5 (mean over tracks).

    `not_scored` counts samples without a score by metric.
    """
    return Overall(
        mean_over_tasks=_mean(task.score.score for task in tasks.values()),
        mean_over_tasks_interval=score_interval(_mean_drawn(tasks.values())),
        mean_over_tracks=_mean(track.score for track in tracks.values()),
        mean_over_tracks_interval=score_interval(mean_over_tracks(list(track_draws.values())) if track_draws else None),
        n_tasks=sum(task.score.score is not None for task in tasks.values()),
        n_samples=sum(task.score.n for task in tasks.values()),
        not_scored=dict(not_scored),
        baselines=_mean_baselines([task.score for task in tasks.values()]),
    )


def _mean(values: Iterable[float | None]) -> float | None:
    """Of those that are known."""
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _mean_drawn(tasks: Iterable[TaskSummary]) -> Drawn | None:
    drawn = [task.drawn for task in tasks if task.drawn is not None]
    return mean_over_tasks(drawn) if drawn else None


def _mean_baselines(tasks: Sequence[TaskScore]) -> Baselines:
    """Means over the scored tasks; None if any of them has no such baseline, for the means would not compare."""
    scored = [task.baselines for task in tasks if task.score is not None]
    random, majority = [part.random for part in scored], [part.majority for part in scored]
    return Baselines(
        random=None if None in random else _mean(random), majority=None if None in majority else _mean(majority)
    )


def columns(scores: Sequence[SampleScore | SampleResult]) -> Floats:
    """Per-sample values to resample: one column of scores, or three of micro F1's counts. All are scored."""
    if scores[0].counts is not None:
        return np.array([score.counts for score in scores], dtype=np.float64)
    return np.array([[score.score] for score in scores], dtype=np.float64)


def generator(seed: int, name: str) -> np.random.Generator:
    """Random numbers of one task, whatever other tasks stand beside it."""
    return np.random.default_rng([seed, zlib.crc32(name.encode("utf-8", "surrogatepass"))])


def _interval(metric: str, known: Sequence[SampleScore], drawn: Drawn | None) -> Interval | None:
    if drawn is None:
        return None
    found = None
    if metric != Metric.ACCURACY:
        found = percentile(drawn, "pooled bootstrap" if metric == Metric.MICRO_F1 else "bootstrap")
    if found is None and (metric == Metric.ACCURACY or len(known) > 1):
        # Where all samples agree, resampling says nothing. No score between 0 and 1 varies more than right and wrong.
        return wilson(drawn.estimate * len(known), len(known))
    return found


BINS = 10


def calibration(results: Sequence[SampleResult]) -> Calibration | None:
    """Reliability in equal-width bins, ECE (Guo et al., 2017) and Brier score; None without probabilities.

    The confidence of a sample is its highest label probability; it is right if that label is the gold one.
    """
    rated = [
        (result.label_probs, str(result.gold), result.label_mass)
        for result in results
        if result.task_type is TaskType.MULTIPLE_CHOICE and result.label_probs
    ]
    if not rated:
        return None
    points = [(max(probs.values()), max(probs, key=probs.__getitem__) == gold) for probs, gold, _ in rated]
    bins = [_bin(points, number) for number in range(BINS)]
    gaps = [abs((part.accuracy or 0.0) - (part.confidence or 0.0)) * part.n for part in bins]  # empty ones add nothing
    return Calibration(
        n=len(points),
        ece=sum(gaps) / len(points),
        brier=fmean(_brier(probs, gold) for probs, gold, _ in rated),
        mean_label_mass=_mean(mass for _, _, mass in rated),
        bins=bins,
    )


def _bin(points: Sequence[tuple[float, bool]], number: int) -> CalibrationBin:
    low, high = number / BINS, (number + 1) / BINS
    inside = [point for point in points if low < point[0] <= high or (number == 0 and point[0] <= 0)]
    return CalibrationBin(
        low=low,
        high=high,
        n=len(inside),
        confidence=_mean(confidence for confidence, _ in inside),
        accuracy=_mean(right for _, right in inside),
    )


def _brier(probs: Mapping[str, float], gold: str) -> float:
    labels = dict.fromkeys((*probs, gold))  # in one order, so that the last digit is the same each time
    return sum((probs.get(label, 0.0) - (label == gold)) ** 2 for label in labels)
