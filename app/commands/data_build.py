"""`shopbench data build`: a mixture of training rows, from its settings to its folder."""

import signal
import sys
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

from app.commands.output import RateColumn, stderr, stdout
from app.training.mixing.build import build_mixture
from app.training.mixing.manifest import BySplit, Manifest
from app.training.mixing.settings import load_mixture

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
    for title, counts in (
        ("capability", manifest.capabilities),
        ("task type", manifest.task_types),
        ("source", {name: source.written for name, source in manifest.sources.items()}),
        ("task", {name: task.written for name, task in manifest.tasks.items()}),
    ):
        stdout.print(_bars(title, counts))
    stdout.print(_reasons(manifest))
    for share in manifest.unmet[:SHOWN_SHARES]:
        stdout.print(
            f"{share.split}: {share.level} {share.name} got {share.given:,} of {share.wanted:,} rows", markup=False
        )
    if len(manifest.unmet) > SHOWN_SHARES:
        stdout.print(f"and {len(manifest.unmet) - SHOWN_SHARES} more shares that lack rows: see manifest.json")
    written = sum(file.rows for file in manifest.outputs.values())
    stderr.print(f"{manifest.read:,} rows read, {written:,} written -> {target}", markup=False)


def _bars(title: str, counts: dict[str, BySplit]) -> Table:
    table = Table(title=f"Rows by {title}", title_justify="left")
    table.add_column(title, overflow="fold")
    splits = list(next(iter(counts.values()), {}))
    for split in splits:
        table.add_column(split, justify="right")
    table.add_column("share", justify="right")
    table.add_column("")
    total = sum(sum(by_split.values()) for by_split in counts.values())
    largest = max((sum(by_split.values()) for by_split in counts.values()), default=0)
    for name, by_split in sorted(counts.items(), key=lambda entry: -sum(entry[1].values())):
        rows = sum(by_split.values())
        bar = "█" * round(BAR_WIDTH * rows / largest) if largest else ""
        table.add_row(
            name, *(f"{by_split[split]:,}" for split in splits), f"{100 * rows / total:.1f} %" if total else "", bar
        )
    return table


BAR_WIDTH = 24
"""Characters of the longest bar."""


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
