"""What a file format says about itself."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from app.jobs.job import Result
from app.rows import Row


class ResultWriter(Protocol):
    """Writes results in the order given, into an open file that stays its caller's."""

    def write(self, result: Result) -> None:
        """Add one result."""
        ...

    def close(self) -> None:
        """Write what is still held back. The file stays open."""
        ...


@dataclass(frozen=True, slots=True)
class Header:
    """What every row of an output may say about its run."""

    prompts: str
    """Fingerprint of the prompt templates."""
    model: str
    """Name of the checkpoint."""


@dataclass(frozen=True, slots=True)
class Format:
    """One format: how its rows are read, counted and written.

    `read` raises InputError where a file cannot be read at all; a bad row is a `Row` with a failure. `count`
    is the number of rows that `read` will give, found in much less time.
    """

    name: str
    suffixes: tuple[str, ...]
    read: Callable[[Path], Iterator[Row]]
    count: Callable[[Path], int]
    writer: Callable[[BinaryIO, Header], ResultWriter]
