"""What an answer without understanding scores on the same samples, so that a score means something."""

import random
from collections import Counter
from collections.abc import Sequence
from math import log2
from statistics import fmean
from typing import Any

from app.evaluation.metrics import HITS_CONSIDERED
from app.evaluation.names import Metric
from app.evaluation.schema import Baselines
from app.evaluation.scoring import Scorer, aggregate
from app.tasks.registry import task_of
from app.types import Copy, Sample, Selection, TaskType

PARTNERS = 3
"""Other references that stand in for a random text, for each sample."""
SPAN_WORDS = 3
"""A random entity has one to this many words."""
_READABLE = 5
"""The ranking parser drops larger numbers."""


def baselines(samples: Sequence[Sample], scorer: Scorer, seed: int = 0, others: Sequence[Sample] = ()) -> Baselines:
    """Both baselines of one task's samples.

    random: the expected score of a uniformly random legal answer, in closed form (a label, a choice of listed
    numbers, a permutation, a span of one to three words); for free text, the reference of another sample.
    majority: one answer to all: the commonest label, the three commonest numbers, the order of mean
    relevance, the commonest entity; for free text, the commonest reference among the other samples. It
    knows the gold labels, so it flatters itself a little on a task of few samples - unless `others` has further
    samples of the task, such as training rows: then its answer is theirs.
    """
    return Baselines(random=_random(samples, scorer, seed), majority=_majority(samples, scorer, others))


def _random(samples: Sequence[Sample], scorer: Scorer, seed: int) -> float | None:
    match samples[0].metric:
        case Metric.ACCURACY:
            return fmean(_random_label(sample) for sample in samples)
        case Metric.HIT_RATE_AT_3:
            return fmean(_random_selection(sample) for sample in samples)
        case Metric.NDCG:
            return fmean(_random_order(sample) for sample in samples)
        case Metric.MICRO_F1:
            # One span a sample: the pooled F1 is then linear in the hits, and its expectation exact.
            hits = fmean(_span_chance(sample) for sample in samples) * len(samples)
            golds: list[Any] = [sample.gold for sample in samples]
            return 2 * hits / (len(samples) + sum(len(gold) for gold in golds))
        case _:
            return _other_reference(samples, scorer, random.Random(seed))


def _constraint(sample: Sample) -> object:
    return task_of(sample.task_type).read(sample.question).constraint


def _random_label(sample: Sample) -> float:
    labels = task_of(sample.task_type).read(sample.question).labels
    return 1 / len(labels) if str(sample.gold) in labels else 0.0


def _random_selection(sample: Sample) -> float:
    constraint = _constraint(sample)
    gold: Any = sample.gold
    if not isinstance(constraint, Selection):
        return 0.0
    chance = min(constraint.count, HITS_CONSIDERED) / len(constraint.numbers)
    hits: int = len(set(gold) & set(constraint.numbers))
    return hits * min(1.0, chance) / len(gold)


def _random_order(sample: Sample) -> float:
    """Every option is as likely at every rank, so the expected gain of each rank is the mean gain."""
    constraint = _constraint(sample)
    gold: Any = sample.gold
    numbers = [n for n in getattr(constraint, "numbers", ()) if n <= _READABLE]
    ideal: float = sum((2.0**value - 1) / log2(rank + 1) for rank, value in enumerate(sorted(gold, reverse=True), 1))
    if not numbers or ideal == 0:
        return 0.0
    gain: float = fmean(2.0 ** gold[n - 1] - 1 if n - 1 < len(gold) else 0.0 for n in numbers)
    return gain * sum(1 / log2(rank + 1) for rank in range(1, min(len(numbers), len(gold)) + 1)) / ideal


def _span_chance(sample: Sample) -> float:
    constraint = _constraint(sample)
    gold: Any = sample.gold
    words = constraint.source.lower().split() if isinstance(constraint, Copy) else []
    spans = [
        " ".join(words[start : start + length])
        for length in range(1, SPAN_WORDS + 1)
        for start in range(len(words) - length + 1)
    ]
    wanted = {entity.lower() for entity in gold}
    return fmean(span in wanted for span in spans) if spans else 0.0


def _other_reference(samples: Sequence[Sample], scorer: Scorer, rng: random.Random) -> float | None:
    groups: dict[str, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(sample.metric, []).append(sample)
    asked: list[Sample] = []
    answers: list[str] = []
    for group in groups.values():
        for position, sample in enumerate(group):
            others = range(len(group) - 1)
            for other in rng.sample(others, min(PARTNERS, len(others))):
                asked.append(sample)
                answers.append(_reference(group[other + (other >= position)]))
    return aggregate(scorer.score(asked, answers)) if asked else None


def _majority(samples: Sequence[Sample], scorer: Scorer, others: Sequence[Sample]) -> float | None:
    if samples[0].task_type is not TaskType.GENERATION:
        answers = [_constant_answer(others or samples)] * len(samples)
    elif others:
        answers = [_commonest([_reference(sample) for sample in others], 1)[0]] * len(samples)
    else:
        answers = _commonest_of_others([_reference(sample) for sample in samples])
    return aggregate(scorer.score(samples, answers)) if answers else None


def _commonest_of_others(references: Sequence[str]) -> list[str]:
    """For each sample the commonest reference without its own, the first of equals; empty for one sample."""
    if len(references) < 2:
        return []
    counts = Counter(references)
    leaders = [text for text, _ in counts.most_common(2)]
    if len(leaders) == 1:
        return leaders * len(references)
    ahead = counts[leaders[0]] > counts[leaders[1]]
    return [leaders[1] if own == leaders[0] and not ahead else leaders[0] for own in references]


def _constant_answer(samples: Sequence[Sample]) -> str:
    golds: list[Any] = [sample.gold for sample in samples]
    task = task_of(samples[0].task_type)
    match samples[0].metric:
        case Metric.ACCURACY:
            return str(_commonest(golds, 1)[0])
        case Metric.HIT_RATE_AT_3:
            return task.format_target(_commonest([n for gold in golds for n in gold], HITS_CONSIDERED))
        case Metric.NDCG:
            return task.format_target(_mean_relevances(golds))
        case _:
            return repr(_commonest([entity.lower() for gold in golds for entity in gold], 1))


def _commonest(values: Sequence[Any], count: int) -> list[Any]:
    return [value for value, _ in Counter(values).most_common(count)]


def _mean_relevances(golds: Sequence[Sequence[float]]) -> list[float]:
    """Mean relevance by option; a hair is added so that no mean vector looks like a permutation."""
    length = min(_READABLE, max(len(gold) for gold in golds))
    return [fmean(gold[n] if n < len(gold) else 0.0 for gold in golds) + 1e-9 for n in range(length)]


def _reference(sample: Sample) -> str:
    gold: Any = sample.gold
    return gold if isinstance(gold, str) else str(gold[0])
