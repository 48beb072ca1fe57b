"""`verify`: a checkpoint answers as what it was made of, in the engine that will serve it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.errors import InputError
from app.training.checkpoints.adapter import check_adapter_fits, read_adapter_config
from app.training.checkpoints.agreement import Agreement, compare_answers
from app.training.checkpoints.running import Running
from app.training.checkpoints.tensors import CheckpointTensors
from app.types import Sample


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
