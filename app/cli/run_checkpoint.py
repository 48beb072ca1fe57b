"""`shopbench checkpoint`: what its commands do, and what they print."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from pydantic import JsonValue
from rich.table import Table

from app.checkpoints.combine import Combination, combine
from app.checkpoints.merge import DtypeName, merge_adapter
from app.checkpoints.pad import pad_checkpoint
from app.checkpoints.quantize.gptq import GptqSettings
from app.checkpoints.quantize.loss import QuantizationLoss, measure_loss
from app.checkpoints.quantize.quantize import Quantization, Scheme, Sizes, quantize
from app.checkpoints.running import DATA, Running, read_samples
from app.checkpoints.sweep import Point, SweepRequest, run_sweep
from app.checkpoints.tensors import CheckpointTensors, refuse_to_replace
from app.checkpoints.verify import Limits, Reference, verify
from app.cli.output import stderr, stdout, track_steps, waiting
from app.cli.run_evaluate import figure, interval_text
from app.errors import InputError, SetupError
from app.evaluate.scoring import Scorer
from app.settings import load_settings
from app.types import Sample

GIGABYTE = 10**9


@dataclass(frozen=True, slots=True)
class MergeRequest:
    """What to merge, and how the result is saved."""

    base: str
    adapter: Path
    target: Path
    dtype: str
    prompts: Path | None
    limit: int
    overwrite: bool
    another_base: bool
    shard_size: float


def run_merge(request: MergeRequest) -> None:
    """Merge and print what merging and saving changed.

    Raises:
        InputError: the adapter does not belong to the base, or the prompts cannot be read.
        SetupError: something is missing, or the folder cannot be written.
        EngineError: the result differs from base + adapter by more than the tolerance.
    """
    samples = read_samples(request.prompts or DATA, request.limit)
    with waiting(f"Merging {request.adapter} into {request.base}"):
        checks = merge_adapter(
            local(request.base),
            request.adapter,
            request.target,
            samples,
            dtype=cast("DtypeName", request.dtype),
            overwrite=request.overwrite,
            another_base=request.another_base,
            shard_bytes=_bytes(request.shard_size),
        )
    print_figures(
        f"Against base + adapter, {checks.merged.prompts} prompts",
        {"merged, float32": checks.merged.to_json(), f"saved, {request.dtype}": checks.saved.to_json()},
    )
    told(request.target)


def run_combination(
    checkpoints: Sequence[str], target: Path, combination: Combination, *, overwrite: bool, shard_size: float
) -> None:
    """Write the combined checkpoint.

    Raises:
        InputError: the checkpoints do not fit together.
        SetupError: one is missing, or the folder cannot be written.
    """
    refuse_to_replace(target, overwrite=overwrite)
    folders = [local(name) for name in checkpoints]
    with track_steps(size_of(folders[0]), combination.name) as advance:
        combine(
            folders,
            target,
            combination,
            overwrite=overwrite,
            shard_bytes=_bytes(shard_size),
            advance=advance,
        )
    told(target)


def run_padding(
    source: str, target: Path, *, tensor_parallel: int, group: int, overwrite: bool, shard_size: float
) -> None:
    """Write the padded checkpoint and print its width.

    Raises:
        InputError: it cannot be padded, or need not be.
        SetupError: it is missing, or the folder cannot be written.
    """
    refuse_to_replace(target, overwrite=overwrite)
    folder = local(source)
    with track_steps(size_of(folder), "pad") as advance:
        width = pad_checkpoint(
            folder,
            target,
            tensor_parallel=tensor_parallel,
            group=group,
            overwrite=overwrite,
            shard_bytes=_bytes(shard_size),
            advance=advance,
        )
    stdout.print(f"MLP of {width:,} units: {tensor_parallel} x {width // tensor_parallel:,}")
    told(target)


def run_alpha_sweep(
    places: tuple[str, str, Path, Path],
    alphas: tuple[float, ...],
    running_with: Running,
    *,
    seed: int,
    overwrite: bool,
) -> None:
    """Measure every alpha, print the table, and say which one was picked.

    Raises:
        InputError: bad alphas or data, or checkpoints that do not fit together.
        SetupError: something is missing, or the folder holds another sweep.
    """
    base, tuned, target, data = places
    samples = read_samples(data, limit=10**9)
    request = SweepRequest(local(base), local(tuned), target, data, alphas, running_with, seed, overwrite)

    with track_steps(len(alphas), "sweep") as advance:

        def on_point(point: Point, was_known: bool) -> None:
            known = " (known)" if was_known else ""
            stderr.print(f"alpha {point.alpha:g}: {point.macro.score:.4f}{known}", markup=False)
            advance(1)

        sweep = run_sweep(request, samples, Scorer(), on_point)
    table = Table(title=f"{data.name}: {len(samples)} samples", title_justify="left")
    for name in ("alpha", "macro score", "95 % interval"):
        table.add_column(name, justify="right")
    for point in sweep.points:
        chosen = "bold" if point.alpha == sweep.chosen else None
        table.add_row(f"{point.alpha:g}", figure(point.macro.score), interval_text(point.macro.interval), style=chosen)
    stdout.print(table)
    if left_out := sweep.points[0].macro.not_scored:
        stderr.print(f"note: {left_out} samples could not be scored and are left out", markup=False)
    stdout.print(f"chosen: alpha {sweep.chosen:g}")
    told(target / "checkpoint")


def run_verification(
    checkpoint: Path,
    reference: Reference,
    prompts: Path | None,
    limit: int,
    running_with: Running,
    limits: Limits,
) -> bool:
    """Compare two models' answers and print the figures; whether they are within the limits.

    Raises:
        InputError: the adapter does not belong to its base, or the prompts cannot be read.
        SetupError: a checkpoint cannot be loaded.
        EngineError: the engine failed.
    """
    samples = read_samples(prompts or DATA, limit)
    with waiting(f"Answering with {reference.checkpoint}, then with {checkpoint}"):
        agreement = verify(checkpoint, reference, samples, running_with)
    print_figures(f"{checkpoint} against its reference", {running_with.engine: agreement.to_json()})
    broken = limits.broken_by(agreement)
    for reason in broken:
        stderr.print(f"[red]{reason}[/]")
    return not broken


def running(config: Path | None, engine: str | None) -> Running:
    """How the settings say that checkpoints are run.

    Raises:
        SetupError: an unreadable file, an unknown setting or a bad value.
    """
    settings = load_settings(config, {"engine": engine})
    return Running(settings.engine, {"seed": settings.seed} | settings.engine_settings, settings.prompts)


def local(model: str) -> Path:
    """The folder of a checkpoint; a hub name stands for its files in the local cache.

    Raises:
        SetupError: there is neither such a folder nor such a model in the cache.
    """
    if Path(model).is_dir():
        return Path(model)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model, local_files_only=True))
    except (HFValidationError, LocalEntryNotFoundError) as error:
        raise SetupError(f"no checkpoint at {model!r}: name a folder, or download the model to the cache") from error


def numbers(text: str, option: str) -> list[float]:
    """Numbers with commas between them.

    Raises:
        InputError: something else stands there.
    """
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise InputError(f"{option} must be numbers with commas, such as 0.5,1 (given: {text!r})") from error


def print_figures(title: str, columns: Mapping[str, Mapping[str, JsonValue]]) -> None:
    """Figures by name, one column for each thing that was measured."""
    table = Table(title=title, title_justify="left")
    table.add_column("figure")
    for name in columns:
        table.add_column(name, justify="right")
    for name in next(iter(columns.values())):
        table.add_row(name.replace("_", " "), *(_shown(column[name]) for column in columns.values()))
    stdout.print(table)


def _shown(value: JsonValue) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _bytes(gigabytes: float) -> int:
    return int(gigabytes * GIGABYTE)


def size_of(folder: Path) -> int:
    """Bytes of a checkpoint's tensors.

    Raises:
        InputError: its weights are missing or damaged.
    """
    return sum(plan.bytes for plan in CheckpointTensors(folder).plans.values())


def told(target: Path) -> None:
    """Say where the result is."""
    stderr.print(f"-> {target}", markup=False)


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
