"""What quantization costs: answers, label probabilities and scores against the checkpoint that was quantized."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from app.checkpoints.lineage import add_checks
from app.checkpoints.running import Running
from app.checkpoints.scoring import Scored, paired_interval, score_answers
from app.checkpoints.verify import Agreement, compare_answers
from app.evaluate.schema import Interval
from app.evaluate.scoring import Scorer
from app.types import Sample

MAX_LOSS = 0.02
"""Macro score that a quantized checkpoint may lose, by default: two points of a hundred."""


@dataclass(frozen=True, slots=True)
class QuantizationLoss:
    """A quantized checkpoint against its source, on the same samples."""

    agreement: Agreement
    before: Scored
    after: Scored

    @property
    def loss(self) -> float:
        """Macro score lost; negative where it rose."""
        return self.before.macro.score - self.after.macro.score

    @property
    def interval(self) -> Interval | None:
        """95 % interval of the loss: the same questions drawn again for both."""
        return paired_interval(self.after, self.before)

    def to_json(self) -> dict[str, JsonValue]:
        """The figures by name."""
        interval = self.interval
        return {
            "agreement": self.agreement.to_json(),
            "macro_before": self.before.macro.score,
            "macro_after": self.after.macro.score,
            "loss": self.loss,
            "loss_interval": [interval.low, interval.high] if interval else None,
            "samples": self.before.macro.samples,
        }


def measure_loss(
    source: Path, quantized: Path, samples: Sequence[Sample], reference: Running, running: Running, scorer: Scorer
) -> QuantizationLoss:
    """Ask both the same, one model in memory at a time, and write the figures into the quantized one's lineage.

    Args:
        source: the checkpoint that was quantized.
        quantized: what came of it.
        samples: labelled, from none of the rows that were calibrated or trained on.
        reference: the engine that runs the source.
        running: the engine that will serve the quantized checkpoint.
        scorer: the evaluation's.

    Raises:
        InputError: no sample can be scored.
        SetupError: a checkpoint cannot be loaded.
        EngineError: an engine failed.
    """
    before = reference.ask(source, samples)
    after = running.ask(quantized, samples)
    found = QuantizationLoss(
        compare_answers([one.completion for one in before], [one.completion for one in after]),
        score_answers(samples, [one.answer for one in before], scorer),
        score_answers(samples, [one.answer for one in after], scorer),
    )
    add_checks(quantized, found.to_json() | {"engine": running.engine})
    return found
