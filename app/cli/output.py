"""What people see on the terminal: progress on standard error, tables on standard output."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column, Table
from rich.text import Text

PIPE_WIDTH = 120
"""Characters a line where no terminal sets a width."""

stderr = Console(stderr=True, highlight=False)
stdout = Console(highlight=False, width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else PIPE_WIDTH)


class RateColumn(ProgressColumn):
    """Rows a second."""

    def render(self, task: Task) -> Text:
        """The rate so far, or a dash before the first row."""
        rate = task.finished_speed or task.speed
        return Text(f"{rate:,.1f} rows/s" if rate else "- rows/s", style="cyan")


T = TypeVar("T")


def progress_bar(unit: ProgressColumn | None = None, speed_over: float = 30, *, shown: bool = True) -> Progress:
    """A bar with counts, times and rows a second, or another `unit`; the time left is told by `speed_over` seconds."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        unit or RateColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=stderr,
        speed_estimate_period=speed_over,
        disable=not shown,
    )


def track(work: Iterable[T], total: int, description: str) -> Iterator[T]:
    """Pass `work` through, with a progress bar on a terminal and in silence in a pipe."""
    with progress_bar(shown=stderr.is_terminal) as bar:
        yield from bar.track(work, total=total, description=description)


@contextmanager
def track_steps(total: int, description: str) -> Iterator[Callable[[int], None]]:
    """A progress bar for work that reports how many steps it has done; silent in a pipe."""
    with progress_bar(shown=stderr.is_terminal) as bar:
        task = bar.add_task(description, total=total)
        yield lambda steps: bar.advance(task, steps)


def waiting(message: str) -> AbstractContextManager[object]:
    """A spinner while something long has no measure, on a terminal only."""
    return stderr.status(message) if stderr.is_terminal else nullcontext()


def table_of(title: str, *words: str, numbers: Iterable[str] = ()) -> Table:
    """A table with its title on the left: columns of words, which fold, then columns of numbers, flush right."""
    columns = [Column(name, overflow="fold") for name in words] + [Column(name, justify="right") for name in numbers]
    return Table(*columns, title=title, title_justify="left")


def told(target: Path) -> None:
    """Say where the result is."""
    stderr.print(f"-> {target}", markup=False)


def figure(value: float | None) -> str:
    """A score for a table."""
    return "not scored" if value is None else f"{value:.4f}"
