"""What people see on the terminal: progress on standard error, tables on standard output."""

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import TracebackType
from typing import Self, TypeVar

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
from rich.table import Table
from rich.text import Text

from app.jobs.file_job import Watcher
from app.jobs.job import Origin, Result
from app.types import Outcome, Prediction, TaskType

PIPE_WIDTH = 120
"""Characters a line where no terminal sets a width."""

stderr = Console(stderr=True, highlight=False)
stdout = Console(highlight=False, width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else PIPE_WIDTH)

OUTCOME_STYLES = {
    Outcome.CLEAN: "green",
    Outcome.REPAIRED: "yellow",
    Outcome.SHORTENED: "yellow",
    Outcome.TRUNCATED: "yellow",
    Outcome.FALLBACK: "red",
    Outcome.UNASKED: "red",
    Outcome.ERROR: "bold red",
}


class RateColumn(ProgressColumn):
    """Rows a second."""

    def render(self, task: Task) -> Text:
        """The rate so far, or a dash before the first row."""
        rate = task.finished_speed or task.speed
        return Text(f"{rate:,.1f} rows/s" if rate else "- rows/s", style="cyan")


T = TypeVar("T")


def track(work: Iterable[T], total: int, description: str, *, quiet: bool = False) -> Iterator[T]:
    """Pass `work` through, with a progress bar on a terminal and in silence in a pipe."""
    if quiet or not stderr.is_terminal:
        yield from work
        return
    with Progress(*_columns(), console=stderr) as bar:
        yield from bar.track(work, total=total, description=description)


@contextmanager
def track_steps(total: int, description: str) -> Iterator[Callable[[int], None]]:
    """A progress bar for work that reports how many steps it has done; silent in a pipe."""
    if not stderr.is_terminal:
        yield lambda _: None
        return
    with Progress(*_columns(), console=stderr) as bar:
        task = bar.add_task(description, total=total)
        yield lambda steps: bar.advance(task, steps)


def waiting(message: str) -> AbstractContextManager[object]:
    """A spinner while something long has no measure, on a terminal only."""
    return stderr.status(message) if stderr.is_terminal else nullcontext()


def prediction_table(pairs: Iterable[tuple[str, Prediction]], title: str) -> Table:
    """Prompts beside their predictions: question, type, answer, outcome and time."""
    table = Table(title=title, title_justify="left", expand=True)
    table.add_column("question", ratio=5, no_wrap=True, overflow="ellipsis")
    table.add_column("type", ratio=2, no_wrap=True, overflow="ellipsis")
    table.add_column("answer", ratio=3, overflow="fold")
    table.add_column("outcome", no_wrap=True, min_width=9)
    table.add_column("time", justify="right", no_wrap=True, min_width=7)
    for prompt, prediction in pairs:
        table.add_row(
            Text(" ".join(prompt.split())),
            (prediction.task_type or "-").replace("_", " "),
            Text(prediction.answer if prediction.answer is not None else _failure(prediction)),
            Text(prediction.outcome, style=OUTCOME_STYLES[prediction.outcome]),
            f"{prediction.seconds * 1000:,.0f} ms",
        )
    return table


def summary_table(counts: Counter[tuple[TaskType | None, Outcome]]) -> Table:
    """How many answers of each type came about in which way."""
    table = Table(title="Answers by type and outcome", title_justify="left")
    table.add_column("type")
    seen = [outcome for outcome in Outcome if any(key[1] is outcome for key in counts)]
    for outcome in seen:
        table.add_column(outcome.value, justify="right")
    for task_type in [*TaskType, None]:
        row = [counts[task_type, outcome] for outcome in seen]
        if any(row):
            table.add_row(task_type or "(no question)", *(f"{n:,}" for n in row))
    return table


def _failure(prediction: Prediction) -> str:
    return prediction.error.message if prediction.error else ""


def _columns() -> tuple[ProgressColumn, ...]:
    return (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        RateColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )


class BatchProgress(Watcher):
    """A progress bar on a terminal; in a pipe, or when told to be quiet, only the lines that matter."""

    def __init__(self, *, quiet: bool) -> None:
        """Show nothing until the job begins."""
        self._shown = stderr.is_terminal and not quiet
        self._resumed = 0
        self._asking = False
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            RateColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=stderr,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            self._bar.stop()

    def began(self, total: int | None, found: int) -> None:
        """Show the bar."""
        if self._shown:
            self._task = self._bar.add_task("Answering", total=total)
            self._bar.start()
        if found and stderr.is_terminal:
            self.said(f"going on: the journal has {found:,} answers")

    def settled(self, result: Result) -> None:
        """One row further. The rate counts from the first row that had to be asked."""
        if not self._shown:
            return
        if result.origin is Origin.RESUMED:
            self._resumed += 1
            if self._resumed % EVERY == 0:
                self._bar.update(self._task, description=f"Answering ({self._resumed:,} from the journal)")
        elif not self._asking:
            self._asking = True
            done = self._bar.tasks[self._task].completed
            described = f"Answering ({self._resumed:,} from the journal)" if self._resumed else "Answering"
            self._bar.reset(self._task, completed=int(done), description=described)
        self._bar.advance(self._task)

    def progressed(self, rows: int) -> None:
        """So many rows further."""
        if self._shown:
            self._bar.advance(self._task, rows)

    def said(self, line: str) -> None:
        """Above the bar."""
        stderr.print(line)


EVERY = 1000
"""Rows between two changes of the text."""
