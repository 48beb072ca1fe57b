"""A checkpoint in fewer bits, and what that costs."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from pydantic import JsonValue

from app.checkpoints.answering import Running, Scored, encoded_prompts, paired_interval, score_answers
from app.checkpoints.folder import copy_companions, read_config, refuse_quantized
from app.checkpoints.gptq import GptqSettings, check_groups, quantize_gptq
from app.checkpoints.int8 import quantize_int8
from app.checkpoints.lineage import add_checks, lineage_input, lineage_step, read_lineage, write_lineage
from app.checkpoints.tensors import SHARD_BYTES, refuse_to_replace, weight_files, whole_checkpoint
from app.checkpoints.verify import Agreement, compare_answers
from app.engines.options import check_checkpoint
from app.evaluation.schema import Interval
from app.evaluation.scoring import Scorer
from app.types import Sample


class Scheme(StrEnum):
    """How many bits weights (W) and activations (A) get."""

    W4A16 = "w4a16"
    W8A8 = "w8a8"


@dataclass(frozen=True, slots=True)
class Quantization:
    """What to make of a checkpoint."""

    scheme: Scheme
    gptq: GptqSettings = field(default_factory=GptqSettings)
    """For W4A16."""
    smoothing: float = 0.5
    """For W8A8: SmoothQuant's exponent."""

    def to_json(self) -> dict[str, JsonValue]:
        """The settings that the result depends on."""
        if self.scheme is Scheme.W8A8:
            return {"scheme": self.scheme.value, "smoothing": self.smoothing}
        return {"scheme": self.scheme.value, "group_size": self.gptq.group_size, "seed": self.gptq.seed}


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes of the weight files, before and after."""

    before: int
    after: int

    def to_json(self) -> dict[str, JsonValue]:
        """The figures by name."""
        return {"bytes_before": self.before, "bytes_after": self.after}


def quantize(
    source: Path,
    target: Path,
    samples: Sequence[Sample],
    quantization: Quantization,
    *,
    overwrite: bool = False,
    shard_bytes: int = SHARD_BYTES,
    advance: Callable[[int], None] = lambda _: None,
) -> Sizes:
    """Write the quantized checkpoint, calibrated on the samples' prompts with their answers.

    Args:
        source: folder of a checkpoint in 16 or 32 bits.
        target: the new folder.
        samples: rows of the training data.
        quantization: what to make of it.
        overwrite: replace a checkpoint at `target`.
        shard_bytes: largest file.
        advance: told the bytes of each tensor written.

    Raises:
        InputError: the checkpoint cannot be quantized so; the message names the fix.
        SetupError: something is missing, or the folder cannot be written.
    """
    started = time.monotonic()
    refuse_to_replace(target, overwrite=overwrite)
    check_checkpoint(str(source))
    refuse_quantized(source)
    if quantization.scheme is Scheme.W4A16:
        check_groups(source, quantization.gptq.group_size)
    context = int(read_config(source)["max_position_embeddings"])
    prompts = encoded_prompts(samples, source, context, answers=True)
    with whole_checkpoint(target, overwrite=overwrite) as made:
        if quantization.scheme is Scheme.W4A16:
            config = quantize_gptq(source, made, prompts, quantization.gptq, shard_bytes=shard_bytes, advance=advance)
        else:
            config = quantize_int8(
                source, made, prompts, smoothing=quantization.smoothing, shard_bytes=shard_bytes, advance=advance
            )
        copy_companions(source, made, {"quantization_config": config})
        sizes = Sizes(weight_bytes(source), weight_bytes(made))
        step = lineage_step(
            "quantize",
            [lineage_input("source", source)],
            quantization.to_json() | {"calibration_prompts": len(prompts), "tokens": sum(map(len, prompts))},
            sizes.to_json(),
            time.monotonic() - started,
        )
        write_lineage(made, read_lineage(source), step)
    return sizes


def weight_bytes(folder: Path) -> int:
    """Bytes of a checkpoint's weight files."""
    return sum(path.stat().st_size for path in weight_files(folder))


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
