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
from app.training.mixing.manifest import Manifest
from app.training.mixing.page import MixtureChart, charts_of
from app.training.mixing.settings import load_mixture

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
