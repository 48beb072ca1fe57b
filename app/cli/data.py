"""`shopbench data`: list the training tasks, draw rows, write the generated shop, and build mixtures."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from app.cli.options import command_group
from app.cli.output import progress_bar, stderr, stdout, table_of, track
from app.data.row import Capability
from app.errors import SetupError
from app.files import FolderKind, whole_folder, write_lines
from app.types import TaskType

if TYPE_CHECKING:
    from app.data.mixing.manifest import Manifest, MixtureBar
    from app.data.row import TrainingRow
    from app.data.tasks.declared import Declaration

cli = command_group("data", "List, generate and build training data.")

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
    from app.data.tasks.declared import count_rows, select_tasks

    tasks = select_tasks(task or (), capability or (), task_type or (), source or ())
    rows = count_rows(tasks, data)
    if as_json:
        stdout.print(
            json.dumps([_as_json(task, rows[task.name]) for task in tasks], indent=1), markup=False, soft_wrap=True
        )
    else:
        stdout.print(_task_table(tasks, rows))


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
    from app.data.catalogue.catalogue import Catalogue
    from app.data.catalogue.publishing import FILES

    shop = Catalogue(seed, population=products)
    with whole_folder(target, FolderKind("catalogue", next(iter(FILES))), overwrite=None) as made:
        written = 0
        for name, fields in FILES.items():
            rows = (fields(shop, number) for number in range(products))
            written += write_lines(made / name, track(rows, products, name))
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
    from app.data.mixing.build import build_mixture
    from app.data.mixing.mixture import MixtureSettings

    with progress_bar(shown=stderr.is_terminal) as bar:

        def phase(name: str, total: int) -> Callable[[], object]:
            return partial(bar.advance, bar.add_task(name, total=total))

        manifest = build_mixture(MixtureSettings.read(settings), target, phase, overwrite=overwrite)
    _print_mixture(manifest, target)


def generated_tasks(
    names: Sequence[str], capabilities: Sequence[Capability], task_types: Sequence[TaskType]
) -> "list[Declaration]":
    """The tasks that fit the filters and need no published data; a name of one that does is refused."""
    from app.data.tasks.declared import SOURCES, select_tasks, task_named
    from app.data.tasks.task import GeneratedSource

    for name in names:
        source = SOURCES[task_named(name).source]
        if not isinstance(source, GeneratedSource):
            raise SetupError(f"{name!r} asks about {source.name}, which is not made here: use 'shopbench data build'")
    chosen = select_tasks(names, capabilities, task_types)
    return [task for task in chosen if isinstance(SOURCES[task.source], GeneratedSource)]


def generate_rows(tasks: "Sequence[Declaration]", rows: int, seed: int) -> "Iterator[TrainingRow]":
    """`rows` rows, the tasks in turn. Row k is the same whatever `rows` is."""
    from app.data.tasks.declared import draw_row

    for number in range(rows):
        index, place = divmod(number, len(tasks))
        yield draw_row(tasks[place], seed, index)


def _as_json(task: "Declaration", rows: int | str) -> dict[str, object]:
    """One line of the list. `rows` is a number, "unbounded" or "absent"."""
    return {
        "task": task.name,
        "capability": task.capability.value,
        "sub_skill": task.sub_skill,
        "task_type": task.task_type.value,
        "metric": task.metric,
        "source": task.source,
        "languages": list(task.languages),
        "wordings": len(task.wordings),
        "rows": rows,
    }


_SHORT = {
    TaskType.MULTIPLE_CHOICE: "choice",
    TaskType.RANKING: "ranking",
    TaskType.RETRIEVAL: "retrieval",
    TaskType.NAMED_ENTITY_RECOGNITION: "entities",
    TaskType.GENERATION: "generation",
}


def _task_table(tasks: "Sequence[Declaration]", rows: Mapping[str, int | str]) -> Table:
    """The tasks of a capability under its name."""
    table = Table(title=f"{len(tasks)} training tasks", title_justify="left")
    table.add_column("task", no_wrap=True)
    table.add_column("sub-skill", overflow="fold")
    table.add_column("type and metric", overflow="fold")
    table.add_column("source")
    table.add_column("wordings", justify="right")
    table.add_column("rows", justify="right")
    for capability in Capability:
        members = [task for task in tasks if task.capability is capability]
        if members:
            table.add_row(Text(f"{capability.value.replace('_', ' ')} ({len(members)})", style="bold"))
            for task in members:
                kind = f"{_SHORT[task.task_type]}, {task.metric}"
                count = rows[task.name]
                shown = f"{count:,}" if isinstance(count, int) else count
                table.add_row(f"  {task.name}", task.sub_skill, kind, task.source, str(len(task.wordings)), shown)
            table.add_section()
    return table


BAR_WIDTH = 12
"""Characters of the longest bar."""
SHOWN_SHARES = 10
"""Shares that could not be met, in the terminal; the manifest has all."""


def _print_mixture(manifest: "Manifest", target: Path) -> None:
    """What was written and what was not, on standard output."""
    from app.data.mixing.manifest import charts_of

    splits = [file.removesuffix(".jsonl") for file in manifest.outputs]
    for title, bars in charts_of(manifest).items():
        stdout.print(_bars(title, bars, splits))
    if (reasons := _reasons(manifest)).row_count:
        stdout.print(reasons)
    for share in manifest.unmet[:SHOWN_SHARES]:
        stdout.print(
            f"{share.split}: {share.level} {share.name} got {share.given:,} of {share.wanted:,} rows", markup=False
        )
    if len(manifest.unmet) > SHOWN_SHARES:
        stdout.print(f"and {len(manifest.unmet) - SHOWN_SHARES} more shares that lack rows: see manifest.json")
    written = sum(file.rows for file in manifest.outputs.values())
    stderr.print(f"{manifest.read:,} rows read, {written:,} written -> {target}", markup=False)
    stderr.print(f"charts and a row of each task: {target / 'report.html'}", markup=False)


def _bars(title: str, bars: "list[MixtureBar]", splits: list[str]) -> Table:
    table = table_of(f"Rows by {title}", title, numbers=[*splits, "share"])
    table.add_column("", no_wrap=True, min_width=BAR_WIDTH)
    for bar in bars:
        table.add_row(
            bar.name,
            *(f"{bar.by_split[split]:,}" for split in splits),
            f"{100 * bar.share:.1f} %",
            "█" * round(BAR_WIDTH * bar.width),
        )
    return table


def _reasons(manifest: "Manifest") -> Table:
    table = table_of("Repaired and left out", "", "reason", numbers=["rows"])
    for name, source in manifest.sources.items():
        for reason, n in source.faults.items():
            table.add_row(f"source {name}", reason, f"{n:,}")
    for kind, reasons in (("repaired", manifest.repaired), ("left out", manifest.dropped)):
        for reason, n in reasons.items():
            table.add_row(kind, reason, f"{n:,}")
    return table
