"""`shopbench data build`: a mixture of training rows, from its settings to its folder."""

import json
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from app.cli.output import RateColumn, stderr, stdout, track
from app.data.mixing.build import build_mixture
from app.data.mixing.manifest import Manifest
from app.data.mixing.mixture import load_mixture
from app.data.mixing.page import MixtureChart, charts_of
from app.data.row import Capability, TrainingRow
from app.data.tasks.declared import Declaration, count_rows, draw_row, select_tasks, source_of, task_named
from app.data.tasks.task import GeneratedSource
from app.errors import SetupError
from app.files import FolderKind, whole_folder, write_lines
from app.types import TaskType

BAR_WIDTH = 12
"""Characters of the longest bar."""
SHOWN_SHARES = 10
"""Shares that could not be met, in the terminal; the manifest has all."""


class BuildProgress:
    """A bar for each phase on a terminal, silent in a pipe."""

    def __init__(self) -> None:
        """Show nothing yet."""
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            RateColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=stderr,
            disable=not stderr.is_terminal,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def phase(self, name: str, total: int) -> None:
        """One more bar."""
        self._task = self._bar.add_task(name, total=total)

    def advance(self, steps: int = 1) -> None:
        """The last bar moves on."""
        if self._task is not None:
            self._bar.advance(self._task, steps)


def build(settings: Path, target: Path, *, overwrite: bool) -> Manifest:
    """Build a mixture; a termination leaves nothing half-written either. Errors as `build_mixture`."""
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        with BuildProgress() as progress:
            return build_mixture(load_mixture(settings), target, progress, overwrite=overwrite)
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)


def print_mixture(manifest: Manifest, target: Path) -> None:
    """What was written and what was not, on standard output."""
    splits = [file.removesuffix(".jsonl") for file in manifest.outputs]
    for chart in charts_of(manifest):
        stdout.print(_bars(chart, splits))
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


def _bars(chart: MixtureChart, splits: list[str]) -> Table:
    table = Table(title=f"Rows by {chart.title}", title_justify="left")
    table.add_column(chart.title, overflow="fold")
    for split in splits:
        table.add_column(split, justify="right")
    table.add_column("share", justify="right")
    table.add_column("", no_wrap=True, min_width=BAR_WIDTH)
    for bar in chart.bars:
        table.add_row(
            bar.name,
            *(f"{bar.by_split[split]:,}" for split in splits),
            f"{100 * bar.share:.1f} %",
            "█" * round(BAR_WIDTH * bar.width),
        )
    return table


def _reasons(manifest: Manifest) -> Table:
    table = Table(title="Repaired and left out", title_justify="left")
    table.add_column("")
    table.add_column("reason", overflow="fold")
    table.add_column("rows", justify="right")
    for name, source in manifest.sources.items():
        for reason, n in source.faults.items():
            table.add_row(f"source {name}", reason, f"{n:,}")
    for kind, reasons in (("repaired", manifest.repaired), ("left out", manifest.dropped)):
        for reason, n in reasons.items():
            table.add_row(kind, reason, f"{n:,}")
    return table


def generated_tasks(
    names: Sequence[str], capabilities: Sequence[Capability], task_types: Sequence[TaskType]
) -> list[Declaration]:
    """The tasks that fit the filters and need no published data.

    Raises:
        SetupError: a name is unknown or that of a task over published data, or nothing is left.
    """
    for name in names:
        source = source_of(task_named(name))
        if not isinstance(source, GeneratedSource):
            raise SetupError(f"{name!r} asks about {source.name}, which is not made here: use 'shopbench data build'")
    chosen = select_tasks(names, capabilities, task_types)
    return [task for task in chosen if isinstance(source_of(task), GeneratedSource)]


def generate_rows(tasks: Sequence[Declaration], rows: int, seed: int) -> Iterator[TrainingRow]:
    """`rows` rows, the tasks in turn. Row k is the same whatever `rows` is."""
    for number in range(rows):
        index, place = divmod(number, len(tasks))
        yield draw_row(tasks[place], seed, index)


def write_catalogue(target: Path, products: int, seed: int) -> int:
    """Write every file of the catalogue into a new folder, which appears when it is whole.

    Raises:
        SetupError: the folder is there already, or cannot be written.
    """
    from app.data.catalogue.catalogue import Catalogue
    from app.data.catalogue.publishing import FILES, lines

    shop = Catalogue(seed, population=products)
    with whole_folder(target, FolderKind("catalogue", next(iter(FILES))), overwrite=False) as made:
        return sum(write_lines(made / name, track(lines(shop, name, products), products, name)) for name in FILES)


_SHORT = {
    TaskType.MULTIPLE_CHOICE: "choice",
    TaskType.RANKING: "ranking",
    TaskType.RETRIEVAL: "retrieval",
    TaskType.NAMED_ENTITY_RECOGNITION: "entities",
    TaskType.GENERATION: "generation",
}


@dataclass(frozen=True, slots=True)
class ListedTask:
    """One line of the list. `rows` is a number, "unbounded" or "absent"."""

    task: Declaration
    rows: int | str

    def to_json(self) -> dict[str, object]:
        """The line as one JSON object."""
        task = self.task
        return {
            "task": task.name,
            "capability": task.capability.value,
            "sub_skill": task.sub_skill,
            "task_type": task.task_type.value,
            "metric": task.metric,
            "source": task.source,
            "languages": list(task.languages),
            "wordings": len(task.wordings),
            "rows": self.rows,
        }


def list_tasks(tasks: Sequence[Declaration], data: Path) -> list[ListedTask]:
    """The tasks with the rows that `data` and the generated sources have for them. Errors as `count_rows`."""
    counts = count_rows(tasks, data)
    return [ListedTask(task, counts[task.name]) for task in tasks]


def print_json(listed: Sequence[ListedTask]) -> None:
    """One JSON array on standard output."""
    stdout.print(json.dumps([one.to_json() for one in listed], indent=1), markup=False, soft_wrap=True)


def print_table(listed: Sequence[ListedTask]) -> None:
    """A table on standard output, the tasks of a capability under its name."""
    table = Table(title=f"{len(listed)} training tasks", title_justify="left")
    table.add_column("task", no_wrap=True)
    table.add_column("sub-skill", overflow="fold")
    table.add_column("type and metric", overflow="fold")
    table.add_column("source")
    table.add_column("wordings", justify="right")
    table.add_column("rows", justify="right")
    for capability in Capability:
        members = [one for one in listed if one.task.capability is capability]
        if members:
            table.add_row(Text(f"{capability.value.replace('_', ' ')} ({len(members)})", style="bold"))
            for one in members:
                table.add_row(*_cells(one))
            table.add_section()
    stdout.print(table)


def _cells(one: ListedTask) -> tuple[str, ...]:
    task = one.task
    return (
        f"  {task.name}",
        task.sub_skill,
        f"{_SHORT[task.task_type]}, {task.metric}",
        task.source,
        str(len(task.wordings)),
        f"{one.rows:,}" if isinstance(one.rows, int) else one.rows,
    )
