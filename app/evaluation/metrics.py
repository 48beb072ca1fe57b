"""The seven metrics that need no encoder, as the organisers' starter kit computes them for one sample.

The rules are those of the Amazon KDD Cup 2024 starter kit (`metrics.py`, with parsers 0.1.1), written
afresh. Each takes what the task's parser made of the answer, and the gold label; each is total.
"""

import math
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Literal, NamedTuple

from app.files import encodable

if TYPE_CHECKING:
    from rouge_score.rouge_scorer import RougeScorer
    from sacrebleu.metrics import BLEU

HITS_CONSIDERED = 3


class EntityCounts(NamedTuple):
    """What a sample adds to micro F1."""

    true_positives: int
    false_positives: int
    false_negatives: int


def accuracy(parsed: int, gold: int) -> float:
    """1 if the parsed label is the gold one, else 0."""
    return float(parsed == gold)


def hit_rate_at_3(parsed: Sequence[int], gold: Sequence[int]) -> float:
    """Distinct gold numbers among the first three, over the number of gold entries.

    The divisor is the gold's own length, so five gold numbers cannot score above 0.6.
    """
    return len(set(gold) & set(parsed[:HITS_CONSIDERED])) / len(gold)


def ndcg(parsed: Sequence[int], gold: Sequence[float]) -> float:
    """Normalised discounted cumulative gain: gain 2^relevance - 1, discount log2(rank + 1).

    `gold[i]` is the relevance of the option numbered i + 1. A number past the end gains nothing; 0 wraps
    round to the last option, as in the kit. Gold without any relevance scores 0.
    """
    ideal = _discounted_gain(sorted(gold, reverse=True))
    if ideal == 0:
        return 0.0
    ranked = [gold[number - 1] if number - 1 < len(gold) else 0.0 for number in parsed[: len(gold)]]
    return _discounted_gain(ranked) / ideal


def entity_counts(parsed: Sequence[str], gold: Sequence[str]) -> EntityCounts:
    """Exact matches but for case; blanks round the answer's entities do not count.

    Matches are counted once, so an entity that is named twice is one hit and one false positive.
    """
    answered = [entity.lower().strip() for entity in parsed]
    wanted = [entity.lower() for entity in gold]
    hits = len(set(answered) & set(wanted))
    return EntityCounts(hits, len(answered) - hits, len(wanted) - hits)


def micro_f1(counts: Sequence[EntityCounts]) -> float:
    """F1 of the pooled counts. A precision or recall with an empty denominator is 0."""
    hits = sum(count.true_positives for count in counts)
    answered = hits + sum(count.false_positives for count in counts)
    wanted = hits + sum(count.false_negatives for count in counts)
    precision = hits / answered if answered else 0.0
    recall = hits / wanted if wanted else 0.0
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def rouge_l(parsed: str, gold: str) -> float:
    """ROUGE-L F-measure with Porter stemming.

    rouge-score keeps ASCII letters and digits only: a Japanese gold scores 0 whatever the answer.
    """
    return float(_rouge().score(parsed, gold)["rougeL"].fmeasure)


def bleu(parsed: str, gold: str) -> float:
    """BLEU-4 of the answer's first line, lower-cased, tokenised as mteval-v13a, from 0 to 1.

    It is corpus BLEU over one sentence (exponential smoothing, no effective order): a gold of fewer than
    four tokens scores 0 whatever the answer.
    """
    return _bleu(parsed, gold, "13a")


def jp_bleu(parsed: str, gold: str) -> float:
    """As `bleu`, with MeCab's Japanese words (IPA dictionary) as tokens."""
    return _bleu(parsed, gold, "ja-mecab")


def _discounted_gain(relevances: Sequence[float]) -> float:
    gains = ((2.0**relevance - 1) / math.log2(rank + 1) for rank, relevance in enumerate(relevances, start=1))
    return sum(gains, 0.0)


def _bleu(parsed: str, gold: str, tokenizer: Literal["13a", "ja-mecab"]) -> float:
    first_line = parsed.strip("\n").split("\n")[0]
    score: float = _sacrebleu(tokenizer).corpus_score([encodable(first_line)], [[encodable(gold)]]).score
    return score / 100


@cache
def _rouge() -> "RougeScorer":
    from rouge_score.rouge_scorer import RougeScorer  # it brings the Natural Language Toolkit along: seconds

    return RougeScorer(["rougeL"], use_stemmer=True)


@cache
def _sacrebleu(tokenizer: Literal["13a", "ja-mecab"]) -> "BLEU":
    from sacrebleu.metrics import BLEU

    return BLEU(lowercase=True, tokenize=tokenizer, effective_order=False, smooth_method="exp")
