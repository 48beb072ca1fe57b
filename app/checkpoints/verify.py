"""`verify`: a checkpoint answers as what it was made of, in the engine that will serve it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import JsonValue

from app.checkpoints.answering import Running
from app.checkpoints.merge import check_adapter_fits, read_adapter_config
from app.checkpoints.tensors import CheckpointTensors
from app.errors import EngineError, InputError
from app.types import Completion, Sample


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

    def to_json(self) -> dict[str, JsonValue]:
        """The figures by name."""
        return asdict(self)


def compare_answers(first: Sequence[Completion], second: Sequence[Completion]) -> Agreement:
    """Compare completions by their ids.

    Raises:
        InputError: they are not of the same requests.
        EngineError: an engine refused one.
    """
    theirs = {completion.id: completion for completion in second}
    if not first or theirs.keys() != {completion.id for completion in first}:
        raise InputError("the two models were not asked the same questions")
    pairs = [(completion, theirs[completion.id]) for completion in first]
    for completion in (*first, *second):
        if completion.error is not None:
            raise EngineError(f"request {completion.id} was refused: {completion.error.message}")
    labelled = [
        (one.label_logprobs, two.label_logprobs)
        for one, two in pairs
        if one.label_logprobs is not None and two.label_logprobs is not None
    ]
    texts = [one.text == two.text for one, two in pairs]
    labels = [one.text == two.text for one, two in pairs if one.label_logprobs is not None]
    return Agreement(
        prompts=len(pairs),
        same_text=sum(texts) / len(texts),
        choices=len(labelled),
        same_label=sum(labels) / len(labels) if labels else None,
        largest_logprob=max((_largest(one, two) for one, two in labelled), default=None),
        mean_kl=sum(_divergence(one, two) for one, two in labelled) / len(labelled) if labelled else None,
    )


def _largest(one: Mapping[str, float], two: Mapping[str, float]) -> float:
    return max(abs(one[label] - two[label]) for label in one)


def _divergence(one: Mapping[str, float], two: Mapping[str, float]) -> float:
    """Of the distributions over the labels alone."""
    ours, theirs = _normalised(one), _normalised(two)
    return max(0.0, sum(math.exp(value) * (value - theirs[label]) for label, value in ours.items()))


def _normalised(logprobs: Mapping[str, float]) -> dict[str, float]:
    top = max(logprobs.values())
    total = top + math.log(math.fsum(math.exp(value - top) for value in logprobs.values()))
    return {label: value - total for label, value in logprobs.items()}


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


def verify(checkpoint: Path, reference: Reference, samples: Sequence[Sample], running: Running) -> Agreement:
    """Ask both the same questions, one model in memory at a time.

    Raises:
        InputError: an adapter that does not belong to its base, or prompts that do not fit.
        SetupError: a checkpoint cannot be loaded.
        EngineError: the engine failed.
    """
    if reference.adapter is not None:
        read_adapter_config(reference.adapter)
        check_adapter_fits(CheckpointTensors(reference.checkpoint), reference.adapter)
    expected = running.ask(reference.checkpoint, samples, reference.adapter)
    found = running.ask(checkpoint, samples)
    return compare_answers([one.completion for one in expected], [one.completion for one in found])
