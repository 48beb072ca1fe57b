"""A checkpoint in fewer bits, and what that costs."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from pydantic import JsonValue

from app.checkpoints.checks import copy_companions, read_config, refuse_quantized
from app.checkpoints.lineage import lineage_input, lineage_step, read_lineage, write_lineage
from app.checkpoints.quantize.gptq import GptqSettings, check_groups, quantize_gptq
from app.checkpoints.quantize.int8 import quantize_int8
from app.checkpoints.running import encoded_prompts
from app.checkpoints.tensors import SHARD_BYTES, refuse_to_replace, weight_files, whole_checkpoint
from app.engines.options import check_checkpoint
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
