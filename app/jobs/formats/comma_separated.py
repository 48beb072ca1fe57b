"""CSV: a header line, then a row a line; the columns are named as the keys of JSON lines are."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from app.errors import InputError
from app.files import open_bytes
from app.jobs.formats.base import Format, Header, ResultWriter, as_they_arrive
from app.jobs.job import Result
from app.rows import Row, prediction_row, row_of
from app.types import Failure

if TYPE_CHECKING:
    from _csv import Reader as CsvReader


PROMPT_COLUMNS = ("prompt", "input_field")
COLUMNS = ("id", "task_type", "answer", "outcome", "prompts", "raw", "label_probs", "label_mass", "error")
MAX_CELL_CHARACTERS = 1 << 20
"""A stray quotation mark takes all that follows into its cell; no prompt is as long as this."""
_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def read(path: Path) -> Iterator[Row]:
    """The rows below the header. `is_multiple_choice` may be true, yes or 1, or false, no or 0, in any case.

    Raises:
        InputError: the file cannot be read, has no prompt column, or holds no row at all.
    """
    number = -1
    for number, fields in enumerate(_records(path)):
        yield fields if isinstance(fields, Row) else row_of(number, fields)
    if number < 0:
        raise InputError(f"{path} has no rows: give a header line with 'prompt' and 'is_multiple_choice', and rows")


def count(path: Path) -> int:
    """Rows below the header."""
    return sum(1 for _ in _records(path))


class CsvWriter(ResultWriter):
    """A header line and a line for each result; probabilities and errors are JSON in their columns."""

    def __init__(self, file: BinaryIO, header: Header) -> None:
        super().__init__(file, header)
        self._put(COLUMNS)

    def write(self, result: Result) -> None:
        """Add one line."""
        row = prediction_row(result.prediction, self._header.prompts)
        self._put([_cell(row.get(column)) for column in COLUMNS])

    def _put(self, cells: Sequence[str]) -> None:
        text = io.StringIO(newline="")
        # The writer puts quotation marks round what holds a part of its own line end, so that "\r" has to be one.
        csv.writer(text, lineterminator="\r\n").writerow(cells)
        self._file.write(text.getvalue().removesuffix("\r\n").encode() + b"\n")


def _records(path: Path) -> Iterator[dict[str, object] | Row]:
    csv.field_size_limit(MAX_CELL_CHARACTERS)
    # Bytes that are no UTF-8 become surrogates, which `row_of` refuses in the row that holds them.
    with (
        open_bytes(path) as file,
        io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="") as text,
    ):
        reader = csv.reader(text, strict=True)
        try:
            columns = next(reader, [])
        except csv.Error as error:
            raise InputError(f"{path}: {_not_csv(1, reader.line_num, error)}") from error
        _check(columns, path)
        for number, cells in enumerate(_cells(reader)):
            if isinstance(cells, str):
                yield Row(number, str(number), failure=Failure("invalid_csv", cells))
            else:
                yield _fields(number, columns, cells)


def _cells(reader: "CsvReader") -> Iterator[list[str] | str]:
    """The cells of each line that is not blank, or what is wrong with it."""
    while True:
        first = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield _not_csv(first, reader.line_num, error)
        else:
            if cells:
                yield cells


def _not_csv(first: int, last: int, error: csv.Error) -> str:
    if first == last:
        return f"line {first} is not CSV: {error}"
    return f"lines {first} to {last} are not CSV: {error}: close the quotation mark that the row of line {first} opens"


def _check(columns: Sequence[str], path: Path) -> None:
    if not columns:
        raise InputError(f"{path} is empty: give a header line with 'prompt' and 'is_multiple_choice', and rows")
    if not set(PROMPT_COLUMNS) & set(columns):
        named = ", ".join(repr(column) for column in columns)[:200]
        raise InputError(f"{path} has no column 'prompt' (or 'input_field'), but {named}: name the columns in line 1")


def _fields(number: int, columns: Sequence[str], cells: Sequence[str]) -> dict[str, object] | Row:
    if len(cells) > len(columns):
        message = f"row {number} has {len(cells)} cells for {len(columns)} columns: put text with commas in quotes"
        return Row(number, str(number), failure=Failure("invalid_row", message))
    fields: dict[str, object] = dict(zip(columns, cells, strict=False))
    if fields.get("id") == "":
        del fields["id"]
    flag = str(fields.get("is_multiple_choice", "")).strip().lower()
    fields["is_multiple_choice"] = _BOOLEANS.get(flag)
    return fields


def _cell(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


CSV = Format("csv", (".csv",), as_they_arrive(read), count, CsvWriter)
