"""Whether two models give the same answers in the project's engine, and how far their label probabilities are apart."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from pydantic import JsonValue

from app.errors import EngineError, InputError
from app.types import Completion


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
