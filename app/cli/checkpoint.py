"""`shopbench checkpoint`: from other programs' files and adapters to what is served."""

import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from app.cli.options import Config, Engine, command_group, numbers
from app.cli.output import figure, stderr, stdout, table_of, told, track_steps, waiting

if TYPE_CHECKING:
    from app.checkpoints.combine import Combination
    from app.checkpoints.quantize import QuantizationLoss
    from app.checkpoints.sweep import Point


cli = command_group(
    "checkpoint", "From a file or an adapter to a checkpoint: import, merge, mix, pad, quantize, verify."
)

GIGABYTE = 10**9

Out = Annotated[Path, typer.Argument(metavar="OUT", help="Folder of the new checkpoint.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the checkpoint at OUT.")]
ShardSize = Annotated[float, typer.Option(min=0.001, help="Largest weight file, in GB.")]
Prompts = Annotated[
    Path | None, typer.Option("--prompts", help="Rows whose prompts are compared on.", show_default="data/sample.jsonl")
]
Limit = Annotated[int, typer.Option(min=1, help="At most so many of them, spread over the file.")]


@cli.command("import", epilog="Example:  shopbench checkpoint import SmolLM2-135M-Instruct.Q4_1.gguf smollm2")
def import_(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A .gguf file of a Llama or Qwen2 that is made for chat.")
    ],
    target: Out,
    dtype: Annotated[
        Literal["float32", "bfloat16", "float16"], typer.Option(help="Number format of the saved weights.")
    ] = "bfloat16",
    max_loss: Annotated[float, typer.Option(min=0, help="Nats a token that plain English may cost.")] = 3.3,
    overwrite: Overwrite = False,
    shard_size: ShardSize = 5.0,
) -> None:
    """Turn a llama.cpp file (GGUF) into a checkpoint, and check it on plain English. Exit code 3 where it is broken."""
    from app.checkpoints.folder import Output
    from app.checkpoints.importing import ImportLimits, import_file

    with waiting(f"Importing {file}"):
        output = Output(target, overwrite, int(shard_size * GIGABYTE))
        check = import_file(file, output, dtype=dtype, limits=ImportLimits(first=max_loss))
    _print_figures(
        f"On plain English, {check.tokens} tokens", {"nats a token": {"new": check.first, "repeated": check.repeated}}
    )
    told(target)


@cli.command()
def default(
    record: Annotated[
        bool,
        typer.Option("--record", help="Write down the hashes of what comes out, after another adapter was trained."),
    ] = False,
    adapter: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Put this adapter in the checkout's, in bfloat16, and write down hashes."),
    ] = None,
) -> None:
    """Make the checkpoint that answers when no other is named. Set-up calls this; it is a glance where all is there."""
    from app.checkpoints.default import make_default
    from app.settings import DEFAULT_CHECKPOINT

    with waiting("Making the default checkpoint"):
        make_default(record=record, adapter=adapter)
    told(DEFAULT_CHECKPOINT)


@cli.command(
    epilog="Example:  shopbench checkpoint merge Qwen/Qwen2.5-7B-Instruct runs/lora merged --prompts mixture/test.jsonl"
)
def merge(
    base: Annotated[str, typer.Argument(metavar="BASE", help="Folder or hub name of the adapter's base.")],
    adapter: Annotated[Path, typer.Argument(metavar="ADAPTER", help="Folder of the LoRA adapter.")],
    target: Out,
    dtype: Annotated[
        Literal["float32", "bfloat16", "float16"], typer.Option(help="Number format of the saved weights.")
    ] = "bfloat16",
    prompts: Prompts = None,
    limit: Limit = 32,
    overwrite: Overwrite = False,
    another_base: Annotated[
        bool, typer.Option("--another-base", help="The base is meant to differ from the one trained on.")
    ] = False,
    shard_size: ShardSize = 5.0,
) -> None:
    """Add an adapter to its base, and check that the result answers as base + adapter."""
    from app.checkpoints.answering import DATA, read_samples
    from app.checkpoints.folder import Output
    from app.checkpoints.merge import merge_adapter
    from app.jobs.identity import local_checkpoint

    samples = read_samples(prompts or DATA, limit)
    with waiting(f"Merging {adapter} into {base}"):
        output = Output(target, overwrite, int(shard_size * GIGABYTE))
        saved = merge_adapter(local_checkpoint(base), adapter, output, samples, dtype=dtype, another_base=another_base)
    _print_figures(f"Against base + adapter, {saved.prompts} prompts", {f"saved, {dtype}": asdict(saved)})
    told(target)


@cli.command(epilog="Example:  shopbench checkpoint interpolate base merged mixed --alpha 0.56")
def interpolate(
    base: Annotated[str, typer.Argument(metavar="BASE", help="The checkpoint before tuning.")],
    tuned: Annotated[str, typer.Argument(metavar="TUNED", help="The checkpoint after tuning, merged.")],
    target: Out,
    alpha: Annotated[float, typer.Option(help="0 is BASE, 1 is TUNED.")],
    overwrite: Overwrite = False,
    shard_size: ShardSize = 5.0,
) -> None:
    """WiSE-FT: weights on the line between a base and what it was tuned to."""
    from app.checkpoints.combine import interpolation

    _combine([base, tuned], target, interpolation(alpha), overwrite, shard_size)


@cli.command(
    epilog="Examples:\n\n  shopbench checkpoint average mean a b c\n\n"
    "  shopbench checkpoint average mostly-a a b --weights 3,1"
)
def average(
    target: Out,
    checkpoints: Annotated[list[str], typer.Argument(metavar="CHECKPOINT...", help="Two or more.")],
    weights: Annotated[str | None, typer.Option(help="One number each, with commas.", show_default="all equal")] = None,
    overwrite: Overwrite = False,
    shard_size: ShardSize = 5.0,
) -> None:
    """The (weighted) mean of several checkpoints of one architecture."""
    from app.checkpoints.combine import average as mean

    shares = numbers(weights, "--weights") if weights else [1.0] * len(checkpoints)
    _combine(checkpoints, target, mean(shares), overwrite, shard_size)


@cli.command(epilog="Example:  shopbench checkpoint slerp a b between --t 0.5")
def slerp(
    first: Annotated[str, typer.Argument(metavar="A", help="The checkpoint at t = 0.")],
    second: Annotated[str, typer.Argument(metavar="B", help="The checkpoint at t = 1.")],
    target: Out,
    t: Annotated[float, typer.Option("--t", help="Where on the arc: 0 is A, 1 is B.")],
    overwrite: Overwrite = False,
    shard_size: ShardSize = 5.0,
) -> None:
    """Spherical interpolation of two checkpoints, tensor by tensor."""
    from app.checkpoints.combine import spherical

    _combine([first, second], target, spherical(t), overwrite, shard_size)


def _combine(
    checkpoints: list[str], target: Path, combination: "Combination", overwrite: bool, shard_size: float
) -> None:
    from app.checkpoints.combine import combine
    from app.checkpoints.folder import Output
    from app.checkpoints.tensors import CheckpointTensors
    from app.jobs.identity import local_checkpoint

    folders = [local_checkpoint(name) for name in checkpoints]
    with track_steps(CheckpointTensors(folders[0]).bytes, combination.name) as advance:
        combine(folders, Output(target, overwrite, int(shard_size * GIGABYTE), advance), combination)
    told(target)


@cli.command(
    epilog="Example:  shopbench checkpoint sweep base merged runs/sweep --data mixture/validation.jsonl\n\n"
    "Given again after a stop, it goes on with the alphas that are missing."
)
def sweep(
    base: Annotated[str, typer.Argument(metavar="BASE", help="The checkpoint before tuning.")],
    tuned: Annotated[str, typer.Argument(metavar="TUNED", help="The checkpoint after tuning, merged.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for scores, chart and the picked checkpoint.")],
    data: Annotated[Path, typer.Option(help="Labelled samples that alpha is picked on: never the test set.")],
    alphas: Annotated[str, typer.Option(help="Which to try, with commas.")] = "0,0.2,0.4,0.6,0.8,1",
    config: Config = None,
    engine: Engine = None,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Start afresh.")] = False,
) -> None:
    """Score interpolations from 0 to 1 on validation data and keep the best one."""
    from app.checkpoints.answering import read_samples
    from app.checkpoints.sweep import SweepRequest, run_sweep
    from app.evaluation.scoring import Scorer
    from app.jobs.identity import local_checkpoint
    from app.settings import load_settings

    chosen = tuple(numbers(alphas, "--alphas"))
    settings = load_settings(config, {"engine": engine})
    samples = read_samples(data, limit=10**9)
    ends = (local_checkpoint(base), local_checkpoint(tuned))
    request = SweepRequest(*ends, target, data, chosen, settings, seed, overwrite)

    with track_steps(len(chosen), "sweep") as advance:

        def on_point(point: "Point", was_known: bool) -> None:
            stderr.print(f"alpha {point.alpha:g}: {point.macro.score:.4f}{' (known)' * was_known}", markup=False)
            advance(1)

        sweep = run_sweep(request, samples, Scorer(), on_point)
    headings = ("alpha", "macro score", "95 % interval")
    table = table_of(f"{data.name}: {len(samples)} samples", numbers=headings)
    for point in sweep.points:
        style = "bold" if point.alpha == sweep.chosen else None
        table.add_row(f"{point.alpha:g}", figure(point.macro.score), str(point.macro.interval or ""), style=style)
    stdout.print(table)
    if left_out := sweep.points[0].macro.not_scored:
        stderr.print(f"note: {left_out} samples could not be scored and are left out", markup=False)
    stdout.print(f"chosen: alpha {sweep.chosen:g}")
    told(target / "checkpoint")


@cli.command(epilog="Example:  shopbench checkpoint pad Qwen2-72B padded --tensor-parallel 4 --group-size 128")
def pad(
    source: Annotated[str, typer.Argument(metavar="CHECKPOINT", help="The checkpoint to widen.")],
    target: Out,
    tensor_parallel: Annotated[int, typer.Option(min=1, help="GPUs that will share the model.")] = 1,
    group_size: Annotated[int, typer.Option(min=1, help="Group size of the quantization to come.")] = 128,
    overwrite: Overwrite = False,
    shard_size: ShardSize = 5.0,
) -> None:
    """Widen the MLP with zeros, so that GPUs and quantization groups share it evenly. It answers as before."""
    from app.checkpoints.folder import Output
    from app.checkpoints.pad import pad_checkpoint
    from app.checkpoints.tensors import CheckpointTensors
    from app.jobs.identity import local_checkpoint

    folder = local_checkpoint(source)
    with track_steps(CheckpointTensors(folder).bytes, "pad") as advance:
        output = Output(target, overwrite, int(shard_size * GIGABYTE), advance)
        width = pad_checkpoint(folder, output, tensor_parallel=tensor_parallel, group=group_size)
    stdout.print(f"MLP of {width:,} units: {tensor_parallel} x {width // tensor_parallel:,}")
    told(target)


@cli.command(
    epilog="Examples:\n\n  shopbench checkpoint quantize merged w8 --scheme w8a8 --data mixture/train.jsonl "
    "--check mixture/validation.jsonl\n\n"
    "  shopbench checkpoint quantize merged w4 --scheme w4a16 --data mixture/train.jsonl "
    "--python .venv-quantize/bin/python\n\n"
    "Exit code 1 where the check finds a larger loss than --max-loss."
)
def quantize(
    source: Annotated[str, typer.Argument(metavar="CHECKPOINT", help="The checkpoint to quantize.")],
    target: Out,
    scheme: Annotated[
        Literal["w4a16", "w8a8"], typer.Option(help="Bits of weights and activations; w4a16 needs gptqmodel.")
    ],
    data: Annotated[Path, typer.Option(help="Training rows to calibrate on.")],
    limit: Annotated[int, typer.Option(min=1, help="At most so many of them, spread over the file.")] = 256,
    check: Annotated[
        Path | None, typer.Option(help="Labelled rows to measure the loss on, in the engine.", show_default=False)
    ] = None,
    max_loss: Annotated[float, typer.Option(help="Macro score that may be lost.")] = 0.02,
    group_size: Annotated[int, typer.Option(help="w4a16: inputs that share a scale: 32, 64 or 128.")] = 128,
    smoothing: Annotated[float, typer.Option(help="w8a8: SmoothQuant's exponent, 0 to 1; 0 leaves it out.")] = 0.5,
    python: Annotated[
        Path | None, typer.Option(help="w4a16: Python of an environment with gptqmodel.", show_default="this one")
    ] = None,
    seed: Annotated[int, typer.Option(help="w4a16: seed of the library.")] = 0,
    config: Config = None,
    engine: Engine = None,
    overwrite: Overwrite = False,
    shard_size: ShardSize = 5.0,
) -> None:
    """Quantize to 4-bit weights (GPTQ) or 8-bit weights and activations, and measure what that costs."""
    from app.checkpoints.answering import read_samples
    from app.checkpoints.folder import Output
    from app.checkpoints.gptq import Gptq
    from app.checkpoints.int8 import Int8
    from app.checkpoints.quantize import measure_loss
    from app.checkpoints.quantize import quantize as write_quantized
    from app.checkpoints.tensors import CheckpointTensors
    from app.evaluation.scoring import Scorer
    from app.jobs.identity import local_checkpoint
    from app.settings import load_settings

    settings = load_settings(config, {"engine": engine})
    folder = local_checkpoint(source)
    samples = read_samples(data, limit)
    held_out = read_samples(check, limit=10**9) if check else []
    how = Gptq(group_size, seed, python or Path(sys.executable)) if scheme == "w4a16" else Int8(smoothing)
    with track_steps(CheckpointTensors(folder).bytes, f"quantize to {scheme}") as advance:
        output = Output(target, overwrite, int(shard_size * GIGABYTE), advance)
        before, after = write_quantized(folder, output, samples, how)
    stdout.print(f"{before:,} bytes -> {after:,} bytes ({after / before:.0%})")
    within = True
    if held_out:
        with waiting(f"Answering {len(held_out)} samples with {folder}, then with {target}"):
            loss = measure_loss(folder, target, held_out, settings, settings, Scorer())
        within = _print_loss(loss, max_loss)
    told(target)
    if not within:
        raise typer.Exit(1)


@cli.command(
    epilog="Examples:\n\n  shopbench checkpoint verify merged --against base+runs/lora\n\n"
    "  shopbench checkpoint verify quantized --against merged --same-text 0.9 --logprob 0.5\n\n"
    "Exit code 1 where they differ by more than the limits."
)
def verify(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="The checkpoint to judge.")],
    against: Annotated[str, typer.Option(metavar="CHECKPOINT|BASE+ADAPTER", help="What it should answer like.")],
    prompts: Prompts = None,
    limit: Limit = 32,
    logprob: Annotated[float, typer.Option(min=0, help="Largest difference of a label's log-probability.")] = 0.02,
    same_text: Annotated[float, typer.Option(min=0, max=1, help="Smallest share of equal answers.")] = 1.0,
    config: Config = None,
    engine: Engine = None,
) -> None:
    """Hold a checkpoint against what it was made of, in the engine that will serve it."""
    from app.checkpoints.answering import DATA, read_samples
    from app.checkpoints.verify import Limits, parse_reference
    from app.checkpoints.verify import verify as compare_answers
    from app.settings import load_settings

    reference = parse_reference(against)
    settings = load_settings(config, {"engine": engine})
    samples = read_samples(prompts or DATA, limit)
    with waiting(f"Answering with {reference.checkpoint}, then with {checkpoint}"):
        agreement = compare_answers(checkpoint, reference, samples, settings)
    _print_figures(f"{checkpoint} against its reference", {settings.engine: asdict(agreement)})
    broken = Limits(logprob, same_text).broken_by(agreement)
    for reason in broken:
        stderr.print(f"[red]{reason}[/]")
    if broken:
        raise typer.Exit(1)


@cli.command(
    epilog="Example:  shopbench checkpoint card merged --title 'Shop assistant 7B' --licence apache-2.0 "
    "--mixture mixture --evaluation runs/dev --evaluation runs/test"
)
def card(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="Its README.md is written.")],
    title: Annotated[str, typer.Option(help="The card's headline.")],
    licence: Annotated[str, typer.Option(help="Of the weights, as model hubs name licences.")],
    about: Annotated[str, typer.Option(help="A paragraph: what the model is for.")] = "",
    mixture: Annotated[
        Path | None, typer.Option(help="Folder of the training mixture: data and licences.", show_default=False)
    ] = None,
    evaluation: Annotated[
        list[Path] | None, typer.Option(help="Folder of an evaluation. Can be given again.", show_default=False)
    ] = None,
    record: Annotated[
        Path | None, typer.Option(help="The run's training.json.", show_default="the one in CHECKPOINT")
    ] = None,
) -> None:
    """Write the model card from the records of the runs: data, licences, settings, scores, lineage."""
    from app.checkpoints.card import CardRequest, write_card

    request = CardRequest(checkpoint, title, licence, about, record, mixture, tuple(evaluation or ()))
    told(write_card(request))


def _print_figures(title: str, columns: Mapping[str, Mapping[str, int | float | None]]) -> None:
    """Figures by name, one column for each thing that was measured."""
    from app.checkpoints.card import shown

    table = table_of(title, "figure", numbers=columns)
    for name in next(iter(columns.values())):
        table.add_row(name.replace("_", " "), *(shown(column[name]) or "-" for column in columns.values()))
    stdout.print(table)


def _print_loss(found: "QuantizationLoss", max_loss: float) -> bool:
    _print_figures("Quantized against its source", {"agreement": asdict(found.agreement)})
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
