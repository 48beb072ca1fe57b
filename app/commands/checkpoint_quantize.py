"""`shopbench checkpoint quantize`: quantize, and measure what that costs."""

import sys
from dataclasses import dataclass
from pathlib import Path

from app.commands.checkpoint import GIGABYTE, local, print_figures, size_of, told
from app.commands.output import stderr, stdout, track_steps, waiting
from app.evaluation.scoring import Scorer
from app.training.checkpoints.output_folder import refuse_to_replace
from app.training.checkpoints.prompts import read_samples
from app.training.checkpoints.quantization.gptq import GptqSettings
from app.training.checkpoints.quantization.loss import QuantizationLoss, measure_loss
from app.training.checkpoints.quantization.quantize import Quantization, Scheme, Sizes, quantize
from app.training.checkpoints.running import Running
from app.types import Sample


@dataclass(frozen=True, slots=True)
class QuantizeRequest:
    """What to quantize, and how."""

    source: str
    target: Path
    scheme: str
    data: Path
    limit: int
    group_size: int
    smoothing: float
    python: Path | None
    seed: int
    overwrite: bool
    shard_size: float


def run_quantization(request: QuantizeRequest, check: Path | None, running: Running, max_loss: float) -> bool:
    """Quantize, print sizes and, with rows to check on, the loss; whether that is within the limit.

    Raises:
        InputError: the checkpoint cannot be quantized so, or the rows cannot be read.
        SetupError: something is missing, or the folder cannot be written.
        EngineError: the engine failed.
    """
    refuse_to_replace(request.target, overwrite=request.overwrite)
    source = local(request.source)
    samples = read_samples(request.data, request.limit)
    held_out = read_samples(check, limit=10**9) if check else []
    _print_sizes(_quantize(request, source, samples))
    within = True
    if held_out:
        with waiting(f"Answering {len(held_out)} samples with {source}, then with {request.target}"):
            found = measure_loss(source, request.target, held_out, running, running, Scorer())
        within = _print_loss(found, max_loss)
    told(request.target)
    return within


def _quantize(request: QuantizeRequest, source: Path, samples: list[Sample]) -> Sizes:
    gptq = GptqSettings(request.group_size, request.seed, python=request.python or Path(sys.executable))
    quantization = Quantization(Scheme(request.scheme), gptq, request.smoothing)
    with track_steps(size_of(source), f"quantize to {request.scheme}") as advance:
        return quantize(
            source,
            request.target,
            samples,
            quantization,
            overwrite=request.overwrite,
            shard_bytes=int(request.shard_size * GIGABYTE),
            advance=advance,
        )


def _print_sizes(sizes: Sizes) -> None:
    stdout.print(f"{sizes.before:,} bytes -> {sizes.after:,} bytes ({sizes.after / sizes.before:.0%})")


def _print_loss(found: QuantizationLoss, max_loss: float) -> bool:
    print_figures("Quantized against its source", {"agreement": found.agreement.to_json()})
    interval = found.interval
    told_interval = f" (95 % interval {interval.low:+.4f} to {interval.high:+.4f})" if interval else ""
    stdout.print(
        f"macro score {found.before.macro.score:.4f} -> {found.after.macro.score:.4f}: "
        f"loss {found.loss:+.4f}{told_interval} on {found.before.macro.samples:,} samples",
        soft_wrap=True,
    )
    if found.loss > max_loss:
        stderr.print(f"[red]the loss is above the limit of {max_loss:g}[/]")
        return False
    return True
