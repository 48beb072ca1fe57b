"""How a batch job goes, on a terminal: a bar with rate and time left, and how many rows an earlier run answered."""

from types import TracebackType
from typing import Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from app.batch.file_job import Watcher
from app.batch.result import Origin, Result
from app.commands.output import RateColumn, stderr


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
