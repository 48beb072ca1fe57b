"""From answers to one score a sample, and from those to one a task."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from app.errors import InputError, SetupError
from app.evaluation import metrics
from app.evaluation.encoders import ENGLISH, MULTILINGUAL, Encoder, Precision, Unavailable, Vectors, load_encoder
from app.evaluation.metrics import EntityCounts
from app.evaluation.names import SEMANTIC, Metric
from app.files import encodable
from app.tasks.registry import task_of
from app.types import Sample

ROUNDING = 1e-9
"""A score this near to 1 is 1."""
SAME = 1e-6
"""Differences below this are rounding: a text's float32 embedding depends a little on its batch."""


def similarities(encoder: Encoder, pairs: Sequence[tuple[str, Sequence[str]]]) -> list[float]:
    """For each (answer, references): the mean cosine over the references, clipped at 0.

    As in the kit, the mean is clipped and not its parts. Every distinct text is embedded once.
    """
    cleaned = [(encodable(answer), [encodable(text) for text in references]) for answer, references in pairs]
    vectors = encoder.encode([text for answer, references in cleaned for text in (answer, *references)])
    return [
        max(0.0, float(np.mean([_cosine(vectors[answer], vectors[text]) for text in references])))
        for answer, references in cleaned
    ]


def _cosine(left: Vectors, right: Vectors) -> float:
    exact_left, exact_right = left.astype(np.float64), right.astype(np.float64)
    norms = np.linalg.norm(exact_left) * np.linalg.norm(exact_right)
    return float(exact_left @ exact_right / norms)


@dataclass(frozen=True, slots=True)
class SampleScore:
    """What one answer is worth. `score` is None where it could not be computed; then `reason` says why."""

    parsed: object
    score: float | None
    counts: EntityCounts | None = None
    reason: str | None = None


# Each function takes what its own task's parser makes of an answer and what `read_label` makes of a label.
_DIRECT: dict[Metric, Callable[[Any, Any], float]] = {
    Metric.ACCURACY: metrics.accuracy,
    Metric.HIT_RATE_AT_3: metrics.hit_rate_at_3,
    Metric.NDCG: metrics.ndcg,
    Metric.ROUGE_L: metrics.rouge_l,
    Metric.BLEU: metrics.bleu,
    Metric.JP_BLEU: metrics.jp_bleu,
}
_LIBRARIES = {Metric.ROUGE_L: "rouge-score", Metric.BLEU: "sacrebleu", Metric.JP_BLEU: "sacrebleu"}
_ENCODERS = {Metric.SENT_TRANSFORMER: ENGLISH, Metric.MULTILINGUAL_SENT_TRANSFORMER: MULTILINGUAL}


@dataclass(slots=True)
class Scorer:
    """Scores samples as the organisers do. Encoders are loaded on first use and kept.

    `encoder_paths` maps `ENGLISH` or `MULTILINGUAL` to a local folder.
    """

    encoder_paths: dict[str, Path] = field(default_factory=dict)
    precision: Precision = "float32"
    used: dict[str, str] = field(default_factory=dict)
    """Library or encoder -> version or folder, for those that have scored something."""
    _encoders: dict[str, Encoder | Unavailable] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Libraries are loaded when they are needed, which may be after an hour of answers; a missing one is told now.

        Raises:
            SetupError: one is not installed.
        """
        for library in set(_LIBRARIES.values()):
            if find_spec(library.replace("-", "_")) is None:
                raise SetupError(f"scoring needs {library}, which is not installed: pip install 'shopbench[eval]'")

    def score(self, samples: Sequence[Sample], answers: Sequence[str]) -> list[SampleScore]:
        """One score a sample, in order. Answers are read by the kit's parsers first.

        Raises:
            InputError: not as many answers as samples, or an unknown metric.
        """
        if len(samples) != len(answers):
            raise InputError(f"{len(answers)} answers for {len(samples)} samples: give one each")
        parsed = [task_of(sample.task_type).parse(answer) for sample, answer in zip(samples, answers, strict=True)]
        by_metric: dict[Metric, list[int]] = defaultdict(list)
        for position, sample in enumerate(samples):
            by_metric[_metric(sample)].append(position)
        scores: dict[int, SampleScore] = {}
        for metric, positions in by_metric.items():
            pairs = [(parsed[position], samples[position].gold) for position in positions]
            scores.update(zip(positions, map(_rounded, self._by_metric(metric, pairs)), strict=True))
        return [scores[position] for position in range(len(samples))]

    def _by_metric(self, metric: Metric, pairs: Sequence[tuple[Any, Any]]) -> list[SampleScore]:
        if metric in SEMANTIC:
            return self._semantic(_ENCODERS[metric], pairs)
        if metric is Metric.MICRO_F1:
            return [_entities(parsed, gold) for parsed, gold in pairs]
        if (library := _LIBRARIES.get(metric)) and library not in self.used:
            self.used[library] = version(library)
        return [SampleScore(parsed, _DIRECT[metric](parsed, gold)) for parsed, gold in pairs]

    def _semantic(self, name: str, pairs: Sequence[tuple[Any, Any]]) -> list[SampleScore]:
        encoder = self.encoder(name)
        if isinstance(encoder, Unavailable):
            return [SampleScore(parsed, None, reason=encoder.reason) for parsed, _ in pairs]
        self.used[name] = encoder.origin
        self.used["sentence-transformers"] = version("sentence-transformers")
        texts = [(parsed, [gold] if isinstance(gold, str) else gold) for parsed, gold in pairs]
        scores = similarities(encoder, texts)
        return [SampleScore(parsed, score) for (parsed, _), score in zip(pairs, scores, strict=True)]

    def encoder(self, name: str) -> Encoder | Unavailable:
        """The encoder, loaded once, or why there is none."""
        if name not in self._encoders:
            self._encoders[name] = load_encoder(name, self.encoder_paths.get(name), self.precision)
        return self._encoders[name]


def _rounded(found: SampleScore) -> SampleScore:
    """A full score is 1: sums of floats may end in 1.0000000000000004."""
    near = found.score is not None and abs(found.score - 1) < ROUNDING
    return replace(found, score=1.0) if near else found


def aggregate(scores: Sequence[SampleScore]) -> float | None:
    """One task's score: pooled for micro F1, else the mean over its samples; None if none could be scored."""
    counts = [score.counts for score in scores if score.counts is not None]
    if counts:
        return metrics.micro_f1(counts)
    known = [score.score for score in scores if score.score is not None]
    return fmean(known) if known else None


def _entities(parsed: Sequence[str], gold: Sequence[str]) -> SampleScore:
    counts = metrics.entity_counts(parsed, gold)
    return SampleScore(parsed, metrics.micro_f1([counts]), counts)


def _metric(sample: Sample) -> Metric:
    try:
        return Metric(sample.metric)
    except ValueError as error:
        known = ", ".join(Metric)
        raise InputError(f"sample {sample.question.id!r}: unknown metric {sample.metric!r}; known: {known}") from error
