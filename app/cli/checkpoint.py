"""The command line from an adapter to a checkpoint that is served: merge, mix, pad, quantize, check and describe."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

cli = typer.Typer(
    name="checkpoint", help="From an adapter to a checkpoint: merge, mix, pad, quantize, verify.", no_args_is_help=True
)


class Dtype(StrEnum):
    """Number formats of saved weights."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"


class Scheme(StrEnum):
    """Bits of weights (W) and activations (A)."""

    W4A16 = "w4a16"
    W8A8 = "w8a8"


Out = Annotated[Path, typer.Argument(metavar="OUT", help="Folder of the new checkpoint.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the checkpoint at OUT.")]
ShardSize = Annotated[float, typer.Option(min=0.001, help="Largest weight file, in GB.")]
Prompts = Annotated[
    Path | None,
    typer.Option(
        "--prompts", help="Rows whose prompts are compared on. [default: data/sample.jsonl]", show_default=False
    ),
]
Limit = Annotated[int, typer.Option(min=1, help="At most so many of them, spread over the file.")]
Config = Annotated[
    Path | None, typer.Option("--config", "-c", help="YAML file of settings, see configs/.", show_default=False)
]
Engine = Annotated[str | None, typer.Option(help="vllm or transformers. [default: vllm]", show_default=False)]


@cli.command(
    epilog="Example:  shopbench checkpoint merge Qwen/Qwen2.5-7B-Instruct runs/lora merged --prompts mixture/test.jsonl"
)
def merge(
    base: Annotated[str, typer.Argument(metavar="BASE", help="Folder or hub name of the adapter's base.")],
    adapter: Annotated[Path, typer.Argument(metavar="ADAPTER", help="Folder of the LoRA adapter.")],
    target: Out,
    dtype: Annotated[Dtype, typer.Option(help="Number format of the saved weights.")] = Dtype.BFLOAT16,
    prompts: Prompts = None,
    limit: Limit = 32,
    overwrite: Overwrite = False,
    another_base: Annotated[
        bool, typer.Option("--another-base", help="The base is meant to differ from the one trained on.")
    ] = False,
    shard_size: ShardSize = 5.0,
) -> None:
    """Merge an adapter into its base in float32, and check that the result answers as base + adapter."""
    from app.cli.run_checkpoint import MergeRequest, run_merge

    run_merge(MergeRequest(base, adapter, target, dtype.value, prompts, limit, overwrite, another_base, shard_size))


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
    from app.cli.run_checkpoint import run_combination

    run_combination([base, tuned], target, interpolation(alpha), overwrite=overwrite, shard_size=shard_size)


@cli.command(
    epilog="Examples:\n\n  shopbench checkpoint average mean a b c\n\n"
    "  shopbench checkpoint average mostly-a a b --weights 3,1"
)
def average(
    target: Out,
    checkpoints: Annotated[list[str], typer.Argument(metavar="CHECKPOINT...", help="Two or more.")],
    weights: Annotated[
        str | None, typer.Option(help="One number each, with commas. [default: all equal]", show_default=False)
    ] = None,
    overwrite: Overwrite = False,
    shard_size: ShardSize = 5.0,
) -> None:
    """The (weighted) mean of several checkpoints of one architecture."""
    from app.checkpoints.combine import average as mean
    from app.cli.run_checkpoint import numbers, run_combination

    shares = numbers(weights, "--weights") if weights else [1.0] * len(checkpoints)
    run_combination(checkpoints, target, mean(shares), overwrite=overwrite, shard_size=shard_size)


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
    from app.cli.run_checkpoint import run_combination

    run_combination([first, second], target, spherical(t), overwrite=overwrite, shard_size=shard_size)


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
    from app.cli.run_checkpoint import numbers, run_alpha_sweep, running

    chosen = tuple(numbers(alphas, "--alphas"))
    run_alpha_sweep((base, tuned, target, data), chosen, running(config, engine), seed=seed, overwrite=overwrite)


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
    from app.cli.run_checkpoint import run_padding

    run_padding(
        source,
        target,
        tensor_parallel=tensor_parallel,
        group=group_size,
        overwrite=overwrite,
        shard_size=shard_size,
    )


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
    scheme: Annotated[Scheme, typer.Option(help="Bits of weights and activations; w4a16 needs gptqmodel.")],
    data: Annotated[Path, typer.Option(help="Training rows to calibrate on.")],
    limit: Annotated[int, typer.Option(min=1, help="At most so many of them, spread over the file.")] = 256,
    check: Annotated[
        Path | None, typer.Option(help="Labelled rows to measure the loss on, in the engine.", show_default=False)
    ] = None,
    max_loss: Annotated[float, typer.Option(help="Macro score that may be lost.")] = 0.02,
    group_size: Annotated[int, typer.Option(help="w4a16: inputs that share a scale: 32, 64 or 128.")] = 128,
    smoothing: Annotated[float, typer.Option(help="w8a8: SmoothQuant's exponent, 0 to 1; 0 leaves it out.")] = 0.5,
    python: Annotated[
        Path | None,
        typer.Option(help="w4a16: Python of an environment with gptqmodel. [default: this one]", show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option(help="w4a16: seed of the library.")] = 0,
    config: Config = None,
    engine: Engine = None,
    overwrite: Overwrite = False,
    shard_size: ShardSize = 5.0,
) -> None:
    """Quantize to 4-bit weights (GPTQ) or 8-bit weights and activations, and measure what that costs."""
    from app.cli.run_checkpoint import QuantizeRequest, run_quantization, running

    request = QuantizeRequest(
        source, target, scheme.value, data, limit, group_size, smoothing, python, seed, overwrite, shard_size
    )
    if not run_quantization(request, check, running(config, engine), max_loss):
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
    from app.checkpoints.verify import Limits, parse_reference
    from app.cli.run_checkpoint import run_verification, running

    limits = Limits(logprob, same_text)
    if not run_verification(checkpoint, parse_reference(against), prompts, limit, running(config, engine), limits):
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
        list[Path] | None,
        typer.Option(help="Folder of an evaluation. Can be given again.", show_default=False),
    ] = None,
    record: Annotated[
        Path | None,
        typer.Option(help="The run's training.json. [default: the one in CHECKPOINT]", show_default=False),
    ] = None,
) -> None:
    """Write the model card from the records of the runs: data, licences, settings, scores, lineage."""
    from app.checkpoints.card import CardRequest, write_card
    from app.cli.run_checkpoint import told

    request = CardRequest(checkpoint, title, licence, about, record, mixture, tuple(evaluation or ()))
    told(write_card(request))
