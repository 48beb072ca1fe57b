"""What an answer without understanding scores on the same samples, so that a score means something."""

import random
from collections import Counter
from collections.abc import Sequence
from itertools import islice, repeat
from math import log2
from statistics import fmean
from typing import Any

from app.evaluation.metrics import HITS_CONSIDERED
from app.evaluation.names import Metric
from app.evaluation.schema import Baselines
from app.evaluation.scoring import Scorer, aggregate
from app.tasks.answers import join_numbers
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
    relevance, the commonest entity; for free text, the commonest reference. It is learnt from `others`, further
    samples of the task such as training rows, where there are any, and else leave-one-out (Stone, 1974): each
    sample's answer from all samples but itself, so that none is scored on its own label. None for a single sample.
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
    if not others and len(samples) == 1:
        return None
    votes = [_votes(sample) for sample in others or samples]
    total: Counter[Any] = Counter()
    for own in votes:
        total.update(own)
    order = sorted(total, key=lambda value: (-total[value], str(value)))
    left_out = repeat(Counter[Any]()) if others else votes
    answers = [_commonest(sample, total, order, own) for sample, own in zip(samples, left_out, strict=False)]
    return aggregate(scorer.score(samples, answers))


def _votes(sample: Sample) -> Counter[Any]:
    """What a sample's label says for each answer, or part of one; of a ranking, the options' relevances."""
    gold: Any = sample.gold
    if sample.task_type is TaskType.GENERATION:
        return Counter([_reference(sample)])
    match sample.metric:
        case Metric.ACCURACY:
            return Counter([str(gold)])
        case Metric.HIT_RATE_AT_3:
            return Counter(gold)
        case Metric.NDCG:
            # A hair more, so that an option without relevance is still one to rank.
            return Counter({number: value + 1e-6 for number, value in enumerate(gold[:_READABLE], 1)})
        case _:
            return Counter(entity.lower() for entity in gold)


def _commonest(sample: Sample, total: Counter[Any], order: Sequence[Any], own: Counter[Any]) -> str:
    """The answer that most votes are for when a sample's `own` are taken from the `total`, whose values are in `order`.

    Ties go by the values themselves: by their places, the label that was left out would decide some.
    """
    count = {Metric.HIT_RATE_AT_3: HITS_CONSIDERED, Metric.NDCG: _READABLE}.get(Metric(sample.metric), 1)
    others = islice((value for value in order if value not in own), count)
    left = {value: round(total[value] - own[value], 9) for value in (*others, *own)}
    found = sorted((value for value in left if left[value] > 0), key=lambda value: (-left[value], str(value)))[:count]
    if sample.task_type is TaskType.GENERATION or sample.metric == Metric.ACCURACY:
        return str(found[0]) if found else ""
    return repr(found) if sample.metric == Metric.MICRO_F1 else join_numbers(found)


def _reference(sample: Sample) -> str:
    gold: Any = sample.gold
    return gold if isinstance(gold, str) else str(gold[0])
