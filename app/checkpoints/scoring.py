"""A checkpoint's macro score: the mean over task types, with a bootstrap interval."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from pydantic import BaseModel, ConfigDict

from app.errors import InputError
from app.evaluate.schema import Interval
from app.evaluate.scoring import Scorer
from app.evaluate.statistics import Drawn, mean_over_tasks, mean_over_tracks, percentile, within_scores
from app.evaluate.summaries import summarise_task
from app.predictor import Predictor
from app.types import Sample


class MacroScore(BaseModel):
    """The mean over task types of each type's mean over tasks, as the project's evaluation scores them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    score: float
    interval: Interval | None
    """95 %, from questions drawn again within each task; None where all questions of each task score the same."""
    by_type: dict[str, float]
    samples: int
    not_scored: int
    """Samples whose metric could not be computed here (an encoder that is not installed)."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A macro score with its bootstrap distribution, for comparisons on the same questions."""

    macro: MacroScore
    drawn: Drawn


def answer_samples(
    predictor: Predictor, samples: Sequence[Sample], advance: Callable[[int], None] = lambda _: None
) -> list[str]:
    """The predictor's answers, in order; `advance` is told of each one."""
    answers = [""] * len(samples)
    for number, prediction in predictor.stream((n, sample.question) for n, sample in enumerate(samples)):
        answers[number] = prediction.answer or ""
        advance(1)
    return answers


def score_answers(samples: Sequence[Sample], answers: Sequence[str], scorer: Scorer, seed: int = 0) -> Scored:
    """Score answers and sum up over tasks, then over task types.

    Raises:
        InputError: nothing could be scored, or a task mixes task types.
    """
    scores = scorer.score(samples, answers)
    positions: dict[str, list[int]] = defaultdict(list)
    for position, sample in enumerate(samples):
        positions[sample.task_name].append(position)
    drawn: dict[str, list[Drawn]] = defaultdict(list)
    for inside in positions.values():
        summary = summarise_task([samples[n] for n in inside], [scores[n] for n in inside], scorer, seed)
        if summary.drawn is not None:
            drawn[summary.score.task_type.value].append(summary.drawn)
    if not drawn:
        raise InputError("no sample could be scored: install the extra 'eval', or give rows with other metrics")
    types = {name: mean_over_tasks(tasks) for name, tasks in drawn.items()}
    macro = mean_over_tracks(list(types.values()))
    by_type = {name: one.estimate for name, one in types.items()}
    return Scored(
        MacroScore(
            score=fmean(by_type.values()),
            interval=within_scores(percentile(macro)),
            by_type=by_type,
            samples=len(samples),
            not_scored=sum(score.score is None for score in scores),
        ),
        macro,
    )


def paired_interval(first: Scored, second: Scored) -> Interval | None:
    """95 % interval of the second score less the first, both on the same samples with the same seed.

    The questions that were drawn are the same for both, so what they have in common cancels.
    """
    draws = second.drawn.draws - first.drawn.draws
    if np.ptp(draws) == 0:
        return None
    low, high = np.quantile(draws, [0.025, 0.975])
    return Interval(low=float(low), high=float(high), method="stratified bootstrap")
