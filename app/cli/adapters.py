"""The command line for adapters: several as one."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

cli = typer.Typer(name="adapters", help="Combine LoRA adapters of one base model.", no_args_is_help=True)

Adapters = Annotated[list[Path], typer.Argument(metavar="ADAPTER...", help="Folders of two adapters or more.")]
Out = Annotated[Path, typer.Option("--out", "-o", help="Folder for the result; must not be there yet.")]
Model = Annotated[str | None, typer.Option(help="The base model. [default: as the adapters say]", show_default=False)]
Seed = Annotated[int, typer.Option(help="Same seed, same result.")]


class How(StrEnum):
    """Ways to combine; see `app.train.adapters.combine.Combination`."""

    CAT = "cat"
    SVD = "svd"
    LINEAR = "linear"
    TIES = "ties"
    TIES_SVD = "ties_svd"
    DARE_LINEAR = "dare_linear"
    DARE_TIES = "dare_ties"
    DARE_LINEAR_SVD = "dare_linear_svd"


class By(StrEnum):
    """What has a gate of its own."""

    TASK_TYPE = "task_type"
    CAPABILITY = "capability"


class Kind(StrEnum):
    """What a gate looks at."""

    CONSTANT = "constant"
    REQUEST = "request"


@cli.command(
    epilog="Example:  shopbench adapters combine runs/concepts runs/reasoning --weights 0.6,0.4 --out runs/both"
)
def combine(
    adapters: Adapters,
    out: Out,
    weights: Annotated[
        str | None, typer.Option(help="One for each, such as 0.7,0.3. [default: all alike, sum 1]", show_default=False)
    ] = None,
    how: Annotated[How, typer.Option(help="cat is the exact weighted sum; the others keep the rank small.")] = How.CAT,
    density: Annotated[float, typer.Option(help="ties and dare: share of the entries that stay.")] = 0.5,
    rank: Annotated[
        int | None, typer.Option(min=1, help="svd: rank of the result. [default: the largest]", show_default=False)
    ] = None,
    model: Model = None,
    seed: Seed = 0,
) -> None:
    """Write one adapter that is the weighted combination of several."""
    from app.cli.run_adapters import Wish, combine_adapters

    combine_adapters(adapters, weights, Wish(how.value, density, rank, seed), out, model)


@cli.command(
    "learn-gates",
    epilog="Example:  shopbench adapters learn-gates runs/concepts runs/reasoning --data val.jsonl --out runs/mix",
)
def learn_gates(
    adapters: Adapters,
    data: Annotated[list[Path], typer.Option(help="Validation rows; half to learn, half to measure. Can be repeated.")],
    out: Out,
    by: Annotated[By, typer.Option(help="What has a gate of its own.")] = By.TASK_TYPE,
    kind: Annotated[Kind, typer.Option(help="constant: by task alone; request: by the question too.")] = Kind.CONSTANT,
    steps: Annotated[int, typer.Option(min=1, help="Steps of the optimizer.")] = 100,
    batch_size: Annotated[int, typer.Option(min=1, help="Rows a step.")] = 8,
    max_length: Annotated[int, typer.Option(min=32, help="Longer rows are left out, in tokens.")] = 1024,
    model: Model = None,
    seed: Seed = 0,
) -> None:
    """Learn what share each adapter has in each task (MMoE), and write one servable adapter a task."""
    from app.cli.run_adapters import learn_adapter_gates

    learn_adapter_gates(
        adapters=adapters, data=data, output=out, by=by.value, kind=kind.value, steps=steps, batch_size=batch_size,
        max_length=max_length, model=model, seed=seed,
    )  # fmt: skip
