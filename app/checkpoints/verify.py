"""`verify`: a checkpoint answers as what it was made of, in the engine that will serve it."""

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from app.checkpoints.answering import ask
from app.engines.adapter_files import check_adapter
from app.errors import InputError
from app.settings import Settings
from app.types import Prediction, Sample

LEAST = sys.float_info.min
"""Of a probability: one that was too small for its number has a logarithm all the same."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two models' greedy completions of the same requests."""

    prompts: int
    same_text: float
    """Share of answers that are the same text."""
    choices: int
    """Prompts that ask for a label; the next three figures are over these, None where there are none."""
    same_label: float | None
    largest_logprob: float | None
    """Largest difference of a label's log-probability (natural logarithm, before masking)."""
    mean_kl: float | None
    """Kullback-Leibler divergence of the second model's label distribution from the first's, nats, mean."""


def compare_answers(first: Sequence[Prediction], second: Sequence[Prediction]) -> Agreement:
    """Compare what two models wrote for the same questions, in the same order.

    Raises:
        InputError: they are not of the same questions, or one was refused: too long for the context, say.
    """
    if not first or [one.id for one in first] != [two.id for two in second]:
        raise InputError("the two models were not asked the same questions")
    for prediction in (*first, *second):
        if prediction.error is not None:
            raise InputError(f"sample {prediction.id!r} cannot be asked: {prediction.error.message}; leave it out")
    pairs = list(zip(first, second, strict=True))
    labelled = [(one, two) for one, two in pairs if one.label_probs is not None and two.label_probs is not None]
    labels = [one.raw == two.raw for one, two in labelled]
    divergences = [_divergence(one.label_probs or {}, two.label_probs or {}) for one, two in labelled]
    logprobs = [(_logprobs(one), _logprobs(two)) for one, two in labelled]
    return Agreement(
        prompts=len(pairs),
        same_text=fmean(one.raw == two.raw for one, two in pairs),
        choices=len(labelled),
        same_label=fmean(labels) if labels else None,
        largest_logprob=max((abs(one[label] - two[label]) for one, two in logprobs for label in one), default=None),
        mean_kl=fmean(divergences) if divergences else None,
    )


def _logprobs(prediction: Prediction) -> dict[str, float]:
    """Of the labels among all tokens, from their probabilities among the labels and the labels' sum."""
    mass = math.log(max(prediction.label_mass or 0.0, LEAST))
    return {label: math.log(max(share, LEAST)) + mass for label, share in (prediction.label_probs or {}).items()}


def _divergence(one: Mapping[str, float], two: Mapping[str, float]) -> float:
    """Of the distributions over the labels alone."""
    return max(0.0, sum(share * math.log(share / max(two[label], LEAST)) for label, share in one.items() if share > 0))


@dataclass(frozen=True, slots=True)
class Reference:
    """What a checkpoint is held against: another one, or a base with its adapter."""

    checkpoint: Path
    adapter: Path | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What still counts as the same."""

    logprob: float = 2e-2
    """Largest difference of a label's log-probability, nats."""
    same_text: float = 1.0
    """Smallest share of equal answers."""

    def broken_by(self, agreement: Agreement) -> list[str]:
        """What lies outside, in words."""
        found = []
        if agreement.largest_logprob is not None and agreement.largest_logprob > self.logprob:
            found.append(
                f"a label's log-probability differs by {agreement.largest_logprob:.3g} (limit {self.logprob:g})"
            )
        if agreement.same_text < self.same_text:
            found.append(f"{agreement.same_text:.1%} of the answers are the same (limit {self.same_text:.1%})")
        return found


def parse_reference(text: str) -> Reference:
    """`CHECKPOINT`, or `BASE+ADAPTER` for a base with its adapter.

    Raises:
        InputError: one of the two is empty.
    """
    if text and Path(text).is_dir():
        return Reference(Path(text))
    base, plus, adapter = text.partition("+")
    if not base or (plus and not adapter):
        raise InputError(f"{text!r} names no checkpoint: give CHECKPOINT or BASE+ADAPTER")
    return Reference(Path(base), Path(adapter) if adapter else None)


def verify(checkpoint: Path, reference: Reference, samples: Sequence[Sample], settings: Settings) -> Agreement:
    """Ask both the same questions in the engine of the settings, one model in memory at a time.

    Errors as `ask`, `compare_answers` and `check_adapter`.
    """
    if reference.adapter is not None:
        check_adapter(reference.adapter.name, reference.adapter, str(reference.checkpoint))
    expected = ask(settings, reference.checkpoint, samples, reference.adapter)
    return compare_answers(expected, ask(settings, checkpoint, samples))
