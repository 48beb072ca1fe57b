"""The command line for training data: what there is, and making more of it."""

from pathlib import Path
from typing import Annotated

import typer

from app.data.row import Capability
from app.types import TaskType

cli = typer.Typer(name="data", help="List, generate and build training data.", no_args_is_help=True)

DATA = Path("data")

Data = Annotated[Path, typer.Option(help="Folder that holds the published data sets.")]
TaskNames = Annotated[
    list[str] | None, typer.Option("--task", "-t", help="A task, by name. Can be given again.", show_default=False)
]
Capabilities = Annotated[
    list[Capability] | None, typer.Option("--capability", help="Can be given again.", show_default=False)
]
TaskTypes = Annotated[list[TaskType] | None, typer.Option("--type", help="Can be given again.", show_default=False)]
Seed = Annotated[int, typer.Option(help="Same seed, same bytes.")]


@cli.command(
    "list",
    epilog="Examples:\n\n  shopbench data list --data ../shared/data\n\n"
    "  shopbench data list --capability multilingual --type ranking --json",
)
def list_(
    data: Data = DATA,
    task: TaskNames = None,
    capability: Capabilities = None,
    task_type: TaskTypes = None,
    source: Annotated[
        list[str] | None, typer.Option("--source", help="A source, by name. Can be given again.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array instead of a table.")] = False,
) -> None:
    """Show every training task: capability, type, metric, source, wordings and rows."""
    from app.cli.run_data import list_tasks, print_json, print_table
    from app.data.tasks.declared import select_tasks

    listed = list_tasks(select_tasks(task or (), capability or (), task_type or (), source or ()), data)
    (print_json if as_json else print_table)(listed)


@cli.command(
    epilog="Examples:\n\n  shopbench data generate rows.jsonl --rows 10000 --seed 1\n\n"
    "  shopbench data generate ranking.jsonl --rows 500 --type ranking"
)
def generate(
    target: Annotated[Path, typer.Argument(metavar="OUT", help="Where the rows go, one JSON object a line.")],
    rows: Annotated[int, typer.Option(min=1, help="How many rows, the tasks in turn.")] = 1000,
    seed: Seed = 0,
    task: TaskNames = None,
    capability: Capabilities = None,
    task_type: TaskTypes = None,
) -> None:
    """Draw training rows from the generated catalogue. OUT is a ShopBench file too: 'shopbench evaluate' reads it."""
    from app.cli.output import stderr, track
    from app.cli.run_data import generate_rows, generated_tasks
    from app.files import write_lines

    chosen = generated_tasks(task or (), capability or (), task_type or ())
    drawn = (row.to_json() for row in generate_rows(chosen, rows, seed))
    written = write_lines(target, track(drawn, rows, "Drawing"))
    stderr.print(f"{written:,} rows of {len(chosen)} tasks -> {target}", markup=False)


@cli.command(epilog="Example:  shopbench data catalogue runs/shop --products 10000 --seed 1")
def catalogue(
    target: Annotated[Path, typer.Argument(metavar="OUT", help="A new folder for the files.")],
    products: Annotated[int, typer.Option(min=1, help="How many products, and lines in each file.")] = 10_000,
    seed: Seed = 0,
) -> None:
    """Write the generated shop itself: products, queries, sessions, co-purchases and reviews, as JSON lines."""
    from app.cli.output import stderr
    from app.cli.run_data import write_catalogue

    written = write_catalogue(target, products, seed)
    stderr.print(f"{written:,} lines -> {target}", markup=False)


@cli.command(
    epilog="Examples:\n\n  shopbench data build configs/mixture-demo.yaml runs/mixture-demo\n\n"
    "  shopbench data build configs/mixture.yaml runs/mixture --overwrite"
)
def build(
    settings: Annotated[Path, typer.Argument(metavar="MIXTURE", help="YAML file of the mixture, see configs/.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the rows, the manifest and a report.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a mixture that is there.")] = False,
) -> None:
    """Clean the rows of several sources and mix them: train, validation and test rows with a manifest."""
    from app.cli.run_data import build as run
    from app.cli.run_data import print_mixture

    print_mixture(run(settings, target, overwrite=overwrite), target)
