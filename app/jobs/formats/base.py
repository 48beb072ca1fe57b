"""What a file format says about itself; rows of a pipe, which come when whoever writes them sends them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import BinaryIO

from app.files import is_stream
from app.jobs.job import Result
from app.rows import PREDICTION_COLUMNS, Row, prediction_row
from app.tables.readers import JSON
from app.tables.writers import WRITERS, TableWriter


@dataclass(frozen=True, slots=True)
class Header:
    """What every row of an output may say about its run."""

    prompts: str
    """Fingerprint of the prompt templates."""
    model: str
    """Name of the checkpoint."""
    carries: bool = False
    """Whether rows bring columns along that stand beside their answers."""


class ResultWriter:
    """Writes results in the order given, into an open file that stays its caller's: one row each, as a table."""

    def __init__(self, file: BinaryIO, header: Header, kind: str = JSON) -> None:
        self._file, self._header, self._kind = file, header, kind
        self._table: TableWriter | None = None
        self._waiting: list[Result] = []

    def write(self, result: Result) -> None:
        """Add one result. The first row that holds a question says what other columns there are."""
        self._waiting.append(result)
        if self._table or result.row.question or not self._header.carries:
            self._put(result.row.others)

    def close(self) -> None:
        """Write what is still held back. The file stays open."""
        self._put({}).close()

    def _put(self, others: Mapping[str, object]) -> TableWriter:
        if self._table is None:
            self._table = WRITERS[self._kind](self._file, [*PREDICTION_COLUMNS, *others])
        waiting, self._waiting = self._waiting, []
        for result in waiting:
            self._table.write({**prediction_row(result.prediction, self._header.prompts), **result.row.others})
        return self._table


@dataclass(frozen=True, slots=True)
class Format:
    """One format: how its rows are read, counted and written.

    `read` raises InputError where a file cannot be read at all; a bad row is a `Row` with a failure. `count`
    is the number of rows that `read` will give, found in much less time.
    """

    name: str
    read: Callable[[Path], Iterator[Row]]
    count: Callable[[Path], int]
    writer: Callable[[BinaryIO, Header], ResultWriter]


READ_AHEAD = 1024
"""Rows that may have come and not been taken."""


class Arriving(Iterator[Row]):
    """Rows read by a thread. Python resumes a read that a signal broke off, so the main thread must not wait in one."""

    def __init__(self, rows: Iterator[Row]) -> None:
        """Begin to read. The thread does not keep the process from ending."""
        self._queue: Queue[Row | Exception] = Queue(READ_AHEAD)
        self._next: Row | Exception | None = None
        Thread(target=self._read, args=(rows,), daemon=True).start()

    def ready(self, seconds: float) -> bool:
        """Whether a row, or the end, is there or comes within so many seconds."""
        if self._next is None:
            try:
                self._next = self._queue.get(timeout=seconds)
            except Empty:
                return False
        return True

    def __next__(self) -> Row:
        """The next row, however long it takes.

        Raises:
            InputError: the input cannot be read.
        """
        found = self._queue.get() if self._next is None else self._next
        self._next = None
        if isinstance(found, Exception):
            self._next = StopIteration()
            raise found
        return found

    def _read(self, rows: Iterator[Row]) -> None:
        end: Exception = StopIteration()
        try:
            for row in rows:
                self._queue.put(row)
        except Exception as error:  # noqa: BLE001  # raised where the rows are taken
            end = error
        self._queue.put(end)


def as_they_arrive(read: Callable[[Path], Iterator[Row]]) -> Callable[[Path], Iterator[Row]]:
    """The same reader, with pipes read by a thread; files are there as a whole and need none."""

    def reading(path: Path) -> Iterator[Row]:
        return Arriving(read(path)) if is_stream(path) else read(path)

    return reading
