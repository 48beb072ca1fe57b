"""What is shown of a batch job: its bar, its answers as tables, and its last words."""

from collections import Counter
from collections.abc import Iterable
from typing import Self

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from app.cli.options import SOME_ROWS_FAILED, TOO_MANY_FAILED
from app.cli.output import progress_bar, stderr, table_of
from app.files import STANDARD_STREAM
from app.jobs.file_job import FileJob, Summary, Watcher
from app.jobs.job import Origin, Result
from app.jobs.run import Ending
from app.types import Outcome, Prediction, TaskType

EVERY = 1000
"""Rows between two changes of the text beside the bar."""

OUTCOME_STYLES = {
    Outcome.CLEAN: "green",
    Outcome.REPAIRED: "yellow",
    Outcome.SHORTENED: "yellow",
    Outcome.TRUNCATED: "yellow",
    Outcome.UNSURE: "yellow",
    Outcome.FALLBACK: "red",
    Outcome.UNASKED: "red",
    Outcome.ERROR: "bold red",
}


class BatchProgress(Watcher):
    """A progress bar on a terminal; in a pipe, or when told to be quiet, only the lines that matter."""

    def __init__(self, *, quiet: bool) -> None:
        self._shown = stderr.is_terminal and not quiet
        self._resumed = 0
        self._asking = False
        self._bar = progress_bar()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
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

    def said(self, line: str) -> None:
        """Above the bar."""
        stderr.print(line)


def prediction_table(pairs: Iterable[tuple[str, Prediction]], title: str) -> Table:
    """Prompts beside their predictions: question, type, answer, outcome and time."""
    table = Table(title=title, title_justify="left", expand=True)
    table.add_column("question", ratio=5, no_wrap=True, overflow="ellipsis")
    table.add_column("type", ratio=2, no_wrap=True, overflow="ellipsis")
    table.add_column("answer", ratio=3, overflow="fold")
    table.add_column("outcome", no_wrap=True, min_width=9)
    table.add_column("time", justify="right", no_wrap=True, min_width=7)
    for prompt, prediction in pairs:
        reason = prediction.error.message if prediction.error else ""
        table.add_row(
            Text(" ".join(prompt.split())),
            (prediction.task_type or "-").replace("_", " "),
            Text(reason if prediction.answer is None else prediction.answer),
            Text(prediction.outcome, style=OUTCOME_STYLES[prediction.outcome]),
            f"{prediction.seconds * 1000:,.0f} ms",
        )
    return table


def summary_table(counts: Counter[tuple[TaskType | None, Outcome]]) -> Table:
    """How many answers of each type came about in which way."""
    seen = [outcome for outcome in Outcome if any(key[1] is outcome for key in counts)]
    table = table_of("Answers by type and outcome", "type", numbers=seen)
    for task_type in [*TaskType, None]:
        row = [counts[task_type, outcome] for outcome in seen]
        if any(row):
            table.add_row(task_type or "(no question)", *(f"{n:,}" for n in row))
    return table


def report(summary: Summary, job: FileJob) -> None:
    """The run in a few lines on standard error."""
    stderr.print(summary_table(summary.counts))
    where = "standard output" if job.target == STANDARD_STREAM else escape(str(job.target))
    stderr.print(f"{summary.rows:,} rows in {summary.seconds:.1f} s ({summary.rate:,.1f} rows/s) -> {where}")
    for line in _notes(summary):
        stderr.print(line, soft_wrap=True)


def conclude(summary: Summary, job: FileJob) -> int:
    """The exit code; how to go on stands on standard error where the run stopped early."""
    if summary.ending is Ending.FINISHED:
        return SOME_ROWS_FAILED if summary.errors else 0
    stderr.print(_how_to_go_on(summary, job), soft_wrap=True)
    return TOO_MANY_FAILED if summary.ending is Ending.TOO_MANY_ERRORS else summary.exit_code


def _how_to_go_on(summary: Summary, job: FileJob) -> str:
    of = f" of {summary.total:,}" if summary.total is not None else ""
    if job.target == STANDARD_STREAM:
        return f"stopped after {summary.rows:,}{of} rows; write to a file instead of '-' to be able to go on"
    kept = f"the answers so far are kept in {escape(str(summary.kept_in))}"
    if summary.ending is Ending.TOO_MANY_ERRORS:
        first, source = escape(summary.first_failures[0].message), escape(str(job.source))
        return (
            f"stopped after {summary.errors:,} failed rows (--max-errors), first: {first}. Mend them in {source}, "
            f"or allow more, and give the same command again; {kept}"
        )
    return f"stopped after {summary.rows:,}{of} rows: give the same command again to go on; {kept}"


def _notes(summary: Summary) -> list[str]:
    """What is worth a line of its own."""
    notes = []
    if resumed := summary.origins[Origin.RESUMED]:
        notes.append(f"{resumed:,} rows were answered by an earlier run")
    if repeated := summary.origins[Origin.REPEATED]:
        notes.append(f"{repeated:,} rows repeat another row's question, which was asked once")
    outcomes = {outcome: sum(n for (_, o), n in summary.counts.items() if o is outcome) for outcome in Outcome}
    if hurried := outcomes[Outcome.SHORTENED] + outcomes[Outcome.UNASKED]:
        notes.append(f"[yellow]{hurried:,} answers are short or the default[/], to end within the time budget")
    if summary.errors:
        notes.append(f"[bold red]{summary.errors:,} rows failed[/]: each says why in its 'error'")
        notes += [f"  {escape(failure.message)}" for failure in summary.first_failures]
    if summary.errors > len(summary.first_failures):
        notes.append("  ...")
    return notes
