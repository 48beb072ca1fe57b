"""`shopbench adapters`: combine adapters by weights, or by gates that are learnt."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from app.cli.options import command_group, numbers
from app.cli.output import stderr, stdout, table_of, track_steps
from app.cli.train import loading_training_libraries

cli = command_group("adapters", "Combine LoRA adapters of one base model.")

Adapters = Annotated[list[Path], typer.Argument(metavar="ADAPTER...", help="Folders of two adapters or more.")]
Out = Annotated[Path, typer.Option("--out", "-o", help="Folder for the result; must not be there yet.")]
Model = Annotated[str | None, typer.Option(help="The base model.", show_default="as the adapters say")]
Seed = Annotated[int, typer.Option(help="Same seed, same result.")]
How = Literal["cat", "svd", "linear", "ties", "ties_svd", "dare_linear", "dare_ties", "dare_linear_svd"]


@cli.command(
    epilog="Example:  shopbench adapters combine runs/concepts runs/reasoning --weights 0.6,0.4 --out runs/both"
)
def combine(
    adapters: Adapters,
    out: Out,
    weights: Annotated[
        str | None, typer.Option(help="One for each, such as 0.7,0.3.", show_default="all alike, sum 1")
    ] = None,
    how: Annotated[How, typer.Option(help="cat is the exact weighted sum; the others keep the rank small.")] = "cat",
    density: Annotated[float, typer.Option(help="ties and dare: share of the entries that stay.")] = 0.5,
    rank: Annotated[
        int | None, typer.Option(min=1, help="svd: rank of the result.", show_default="the largest")
    ] = None,
    model: Model = None,
    seed: Seed = 0,
) -> None:
    """Write one adapter that is the weighted combination of several."""
    shares = numbers(weights, "--weights") if weights else [1 / len(adapters)] * len(adapters)
    with loading_training_libraries():
        from app.train.adapters import Combination
        from app.train.adapters import combine as combine_adapters

    done = combine_adapters(adapters, shares, Combination(how, density, rank, seed), out, model)
    stderr.print(f"{out}: {done['method']} of {len(adapters)} adapters, rank {done['rank']}", markup=False)


@cli.command(
    "learn-gates",
    epilog="Example:  shopbench adapters learn-gates runs/concepts runs/reasoning --data val.jsonl --out runs/mix",
)
def learn_gates(
    adapters: Adapters,
    data: Annotated[list[Path], typer.Option(help="Validation rows; half to learn, half to measure. Can be repeated.")],
    out: Out,
    by: Annotated[Literal["task_type", "capability"], typer.Option(help="What has a gate of its own.")] = "task_type",
    kind: Annotated[
        Literal["constant", "request"], typer.Option(help="constant: by task alone; request: by the question too.")
    ] = "constant",
    steps: Annotated[int, typer.Option(min=1, help="Steps of the optimizer.")] = 100,
    batch_size: Annotated[int, typer.Option(min=1, help="Rows a step.")] = 8,
    max_length: Annotated[int, typer.Option(min=32, help="Longer rows are left out, in tokens.")] = 1024,
    model: Model = None,
    seed: Seed = 0,
) -> None:
    """Learn what share each adapter has in each task (MMoE), and write one servable adapter a task."""
    with loading_training_libraries():
        from app.train.gates import GateSettings
        from app.train.gates import learn_gates as learn

    settings = GateSettings(
        tuple(adapters), tuple(data), out, model, by=by, kind=kind, steps=steps, batch_size=batch_size,
        max_length=max_length, seed=seed,
    )  # fmt: skip
    with track_steps(steps, "Learning gates") as advance:
        gates = learn(settings, lambda _step, _loss: advance(1))
    headings = (by.replace("_", " "), *(f"share of {path.name}" for path in adapters))
    losses_of = next(iter(gates.values())).losses
    table = table_of("Share of each adapter, and loss on other rows (nats a token)", *headings, numbers=losses_of)
    for task, gate in gates.items():
        losses = (f"{loss:.4f}" for loss in gate.losses.values())
        table.add_row(task, *(f"{share:.2f}" for share in gate.shares), *losses)
    stdout.print(table)
    served = ", ".join(f"{task}: {out / task}" for task in gates)
    line = f"serve them with engine_settings: {{adapters: {{{served}}}}}"
    if by == "task_type":
        line += f" and task_adapters: {{{', '.join(f'{task}: {task}' for task in gates)}}}"
    stderr.print(line, markup=False, soft_wrap=True)
