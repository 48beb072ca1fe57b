"""A checkpoint in fewer bits, and what that costs: answers, label probabilities and scores."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import JsonValue

from app.checkpoints.answering import Scored, ask, encoded_prompts, paired_interval, score_answers
from app.checkpoints.folder import Output, add_checks, new_checkpoint, read_config, refuse_quantized
from app.checkpoints.gptq import Gptq
from app.checkpoints.int8 import Int8
from app.checkpoints.tensors import weight_bytes
from app.checkpoints.verify import Agreement, compare_answers
from app.engines.checkpoint_files import check_checkpoint
from app.evaluation.schema import Interval
from app.evaluation.scoring import Scorer
from app.settings import Settings
from app.types import Sample

Quantization = Gptq | Int8
"""A way to quantize: its settings, a check of the source, and the writing of the weights."""


def quantize(source: Path, output: Output, samples: Sequence[Sample], how: Quantization) -> tuple[int, int]:
    """Write the quantized checkpoint, calibrated on the samples' prompts with their answers.

    Returns the bytes of the weight files before and after.

    Args:
        source: folder of a checkpoint in 16 or 32 bits.
        output: the new folder.
        samples: rows of the training data.
        how: what to make of it.

    Raises:
        InputError: the checkpoint cannot be quantized so; the message names the fix.
        SetupError: something is missing, or the folder cannot be written.
    """
    output.refuse_to_replace()
    check_checkpoint(str(source))
    refuse_quantized(source)
    how.check(source)
    prompts = encoded_prompts(samples, source, int(read_config(source)["max_position_embeddings"]), answers=True)
    calibrated: dict[str, JsonValue] = {"calibration_prompts": len(prompts), "tokens": sum(map(len, prompts))}
    with new_checkpoint(output, "quantize", {"source": source}, source, {**how.settings, **calibrated}) as made:
        made.carry_over({"quantization_config": how.write(made, prompts)})
        before, after = weight_bytes(source), weight_bytes(made.folder)
        made.checks |= {"bytes_before": before, "bytes_after": after}
    return before, after


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
            "agreement": asdict(self.agreement),
            "macro_before": self.before.macro.score,
            "macro_after": self.after.macro.score,
            "loss": self.loss,
            "loss_interval": [interval.low, interval.high] if interval else None,
            "samples": self.before.macro.samples,
        }


def measure_loss(
    source: Path, quantized: Path, samples: Sequence[Sample], reference: Settings, served: Settings, scorer: Scorer
) -> QuantizationLoss:
    """Ask both the same, one model in memory at a time, and write the figures into the quantized one's lineage.

    Args:
        source: the checkpoint that was quantized.
        quantized: what came of it.
        samples: labelled, from none of the rows that were calibrated or trained on.
        reference: how the source is run.
        served: how the quantized checkpoint will be served.
        scorer: the evaluation's.

    Errors as `ask`, `compare_answers` and `score_answers`.
    """
    before, after = ask(reference, source, samples), ask(served, quantized, samples)
    agreement = compare_answers(before, after)
    scored = [score_answers(samples, [one.answer or "" for one in answers], scorer) for answers in (before, after)]
    found = QuantizationLoss(agreement, *scored)
    add_checks(quantized, found.to_json() | {"engine": served.engine})
    return found
