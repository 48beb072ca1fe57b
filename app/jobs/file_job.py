"""A file of questions in, a file of answers out."""

import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from app.database import database_paths
from app.errors import InputError
from app.files import STANDARD_STREAM, is_stream, real_path, refuse_overwrite, whole_file
from app.jobs.budget import Budget, Pace
from app.jobs.formats.base import Format, Header
from app.jobs.formats.choosing import input_format, output_format
from app.jobs.identity import Identity, loaded_identity
from app.jobs.intake import MOST_OPEN
from app.jobs.job import Origin, Result
from app.jobs.run import BatchRun, Ending, Limits
from app.jobs.store import Store, journal_path
from app.predictor import Predictor
from app.process import Interruption
from app.tables.columns import NO_COLUMNS, Columns
from app.types import Failure, Outcome, TaskType

SHOWN = 3
LOOKED_AT = 20
"""Rows that must not all be faulty for a file to be what it should be."""


@dataclass(slots=True)
class Summary:
    """Counts over the rows that were answered, and how the run ended.

    `seconds` counts from the first row, without loading the engine; `total` is None where the rows could not
    be counted before.
    """

    total: int | None
    kept_in: Path | None = None
    """Where the answers are kept, to go on from."""
    counts: Counter[tuple[TaskType | None, Outcome]] = field(default_factory=Counter)
    origins: Counter[Origin] = field(default_factory=Counter)
    errors: int = 0
    first_failures: list[Failure] = field(default_factory=list)
    """Of the first `SHOWN` rows that failed."""
    seconds: float = 0.0
    ending: Ending = Ending.FINISHED
    exit_code: int = 0
    """What a signal that stopped the run asks for, or 0."""

    @property
    def rows(self) -> int:
        """Rows that have their result."""
        return self.counts.total()

    @property
    def rate(self) -> float:
        """Rows a second, without those that the journal had."""
        return (self.rows - self.origins[Origin.RESUMED]) / self.seconds if self.seconds else 0.0

    def add(self, result: Result) -> None:
        """Count one result."""
        self.counts[result.prediction.task_type, result.prediction.outcome] += 1
        self.origins[result.origin] += 1
        failure = result.prediction.error
        if failure is not None:
            self.errors += 1
            if len(self.first_failures) < SHOWN:
                self.first_failures.append(failure)


@dataclass(frozen=True, slots=True)
class FileJob:
    """What to answer, where to, and when to stop early.

    `time_budget` is in seconds from `started_at` on `time.monotonic`, loading included; `max_errors` is the
    number of failed rows that ends the run.
    """

    source: Path
    target: Path
    input_format: str | None = None
    output_format: str | None = None
    overwrite: bool = False
    max_errors: int | None = None
    time_budget: float | None = None
    started_at: float = field(default_factory=time.monotonic)
    columns: Columns = NO_COLUMNS
    """Which columns of the source hold what, where it has names of its own."""
    most_open: int = MOST_OPEN
    """Rows that may be read and not written; more where many engines answer."""


class Watcher:
    """Who is told how it goes. This one keeps it to itself."""

    def began(self, total: int | None, found: int) -> None:
        """The engine is ready, for `total` rows if that is known; the journal has `found` answers."""

    def settled(self, result: Result) -> None:
        """A row has its result; rows come in any order."""

    def said(self, line: str) -> None:
        """Something worth reading at once."""


def answer_file(
    job: FileJob, load: Callable[[], Predictor], identity: Callable[[], Identity], watcher: Watcher | None = None
) -> Summary:
    """Answer every row of the source into the target, in input order, one row for every row.

    `load` makes the predictor ready and `identity` tells what is known of it before; both are called late, when
    everything that is cheap to check was checked. A run that was stopped, by whatever means, is continued by
    the same call: its journal lies beside the target. Rows that failed have an error of their own.

    Raises:
        SetupError: the engine cannot be made ready, or a library for a format is missing.
        EngineError: the engine failed; what was answered is in the journal.
        InputError: the source cannot be read, the target not written, another run holds the target, or its
            journal was made with something else.
    """
    watcher = watcher or Watcher()
    job = replace(job, target=real_path(job.target))
    read = input_format(job.source, job.input_format, job.columns)
    write = output_format(job.target, job.output_format, read)
    _check_target(job.target, job.source)
    total = _count(read, job)
    with _store(job) as store:
        known = identity() if store.identity else {}
        store.claim(known)
        predictor = load()
        try:
            store.begin(loaded_identity(known or identity(), predictor.engine))
            budget = None
            if job.time_budget is not None and total is not None:
                took = time.monotonic() - job.started_at
                budget = Budget(max(0.0, job.time_budget - took), total, Pace(time.monotonic), time.monotonic)
                if budget.expired:
                    watcher.said(f"loading took {took:.0f} s, which leaves no time to ask anything: allow more")
            return _answer(job, read, write, predictor, store, total, budget, watcher)
        finally:
            predictor.close()


def _answer(
    job: FileJob,
    read: Format,
    write: Format,
    predictor: Predictor,
    store: Store,
    total: int | None,
    budget: Budget | None,
    watcher: Watcher,
) -> Summary:
    summary = Summary(total, kept_in=journal_path(job.target))
    started = time.monotonic()
    header = Header(predictor.prompts.fingerprint, predictor.model_name, carries=bool(job.columns))
    watcher.began(total, store.found)
    whole = whole_file(
        job.target, keep=lambda: summary.ending is Ending.FINISHED, partial=_partial_path(job.target), told=_unwritten
    )
    with Interruption(watcher.said) as interruption, whole as file:
        writer = write.writer(file, header)

        def settled(result: Result) -> None:
            summary.add(result)
            watcher.settled(result)

        limits = Limits(lambda: interruption.requested, job.max_errors, budget, job.most_open)
        run = BatchRun(predictor, store, store.digest, writer.write, limits, settled=settled)
        summary.ending = run.run(read.read(job.source))
        writer.close()
        if summary.ending is Ending.INTERRUPTED:
            summary.exit_code = interruption.exit_code
    if summary.ending is Ending.FINISHED:
        store.finish()
    summary.seconds = time.monotonic() - started
    return summary


def _count(read: Format, job: FileJob) -> int | None:
    if not is_stream(job.source):
        total = read.count(job.source)
        # What is wrong with all of a file is said before the engine is loaded; an empty one says so itself.
        first = list(islice(read.read(job.source), LOOKED_AT))
        if len(first) == LOOKED_AT and (failure := first[0].failure) and all(row.failure for row in first):
            raise InputError(f"{job.source}: none of the first {LOOKED_AT} rows can be asked; {failure.message}")
        return total
    if job.time_budget is not None:
        raise InputError(f"a time budget needs rows that can be counted: give a file instead of '{job.source}'")
    return None


def _store(job: FileJob) -> Store:
    if job.target == STANDARD_STREAM:
        return Store(None)
    path = journal_path(job.target)
    if (earlier := job.target.with_name(f"{job.target.name}.ray")).is_dir() and not job.overwrite:
        raise InputError(
            f"{earlier} keeps a run on Ray of an earlier version: finish it with that version, remove the folder, or "
            "add --overwrite"
        )
    if job.target.exists() and not (path.exists() or job.overwrite):
        raise InputError(
            f"{job.target} exists, and no journal beside it says what made it: "
            "add --overwrite to replace it, or name another output"
        )
    return Store(path, overwrite=job.overwrite)


def _check_target(target: Path, source: Path) -> None:
    """Refuse an output that could not be written, or would destroy the input, before anything is asked."""
    if target == STANDARD_STREAM:
        return
    for written in (target, _partial_path(target), *database_paths(journal_path(target))):
        refuse_overwrite(source, written)
    if target.is_dir():
        raise InputError(f"{target} is a folder: name the file to write, such as {target / 'out.jsonl'}")
    if target.exists() and not target.is_file():
        raise InputError(f"{target} is no plain file: name a file that may be replaced, or - for standard output")
    if not target.parent.is_dir():
        raise InputError(f"the folder {target.parent} does not exist: create it, or write somewhere else")
    if not os.access(target.parent, os.W_OK):
        raise InputError(f"the folder {target.parent} is not writable: write somewhere else")


def _partial_path(target: Path) -> Path:
    """Where an output lies until it is whole: `answers.jsonl` -> `answers.jsonl.part`."""
    return target.with_name(target.name + ".part")


def _unwritten(target: Path, error: OSError) -> InputError:
    fix = "its reader is gone" if isinstance(error, BrokenPipeError) else "make room, then run again"
    return InputError(f"cannot write {target}: {error.strerror or error}; {fix}")
