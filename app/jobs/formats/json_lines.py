"""JSON lines: one object a line, in the kit's names or ours."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from app.files import dump, open_bytes
from app.jobs.formats.base import Format, Header, as_they_arrive
from app.jobs.job import Result
from app.rows import Row, prediction_row, read_rows


def read(path: Path) -> Iterator[Row]:
    """As `app.rows.read_rows`."""
    return read_rows(path)


def count(path: Path) -> int:
    """Lines that are not blank."""
    with open_bytes(path) as lines:
        return sum(1 for line in lines if not line.isspace())


class JsonLinesWriter:
    """A line for each result, as `app.rows.prediction_row` has it."""

    def __init__(self, file: BinaryIO, header: Header) -> None:
        """Write into an open file."""
        self._file = file
        self._header = header

    def write(self, result: Result) -> None:
        """Add one line."""
        self._file.write(dump(prediction_row(result.prediction, self._header.prompts)).encode() + b"\n")

    def close(self) -> None:
        """Nothing is held back."""


JSON_LINES = Format("jsonl", (".jsonl", ".ndjson", ".json", ".txt", ""), as_they_arrive(read), count, JsonLinesWriter)
