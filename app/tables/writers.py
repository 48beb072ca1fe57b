"""Tables out, a row at a time: JSON lines, CSV and Parquet, by the name of the file."""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from app.files import dump, whole_file
from app.tables.parquet import pyarrow
from app.tables.readers import CSV, JSON, PARQUET, TEXT, kind_of

GROUP_ROWS = 4096
"""Rows in a row group of a Parquet file."""


class TableWriter:
    """Writes rows in the order given into an open file that stays its caller's. This one writes JSON lines.

    A CSV or Parquet table has the columns that are named; what a row lacks is an empty cell or null.
    """

    def __init__(self, file: BinaryIO, columns: Sequence[str]) -> None:
        self._file, self._columns = file, columns

    def write(self, row: Mapping[str, Any]) -> None:
        """Add one row."""
        # Half a surrogate pair cannot be written as UTF-8; its JSON escape can, and is Python's too.
        self._file.write(f"{dump(dict(row))}\n".encode(errors="backslashreplace"))

    def close(self) -> None:
        """Write what is still held back: here nothing is. The file stays open."""


class CsvWriter(TableWriter):
    """A header line and a line for each row; what is no text is JSON in its cell."""

    def __init__(self, file: BinaryIO, columns: Sequence[str]) -> None:
        super().__init__(file, columns)
        self._put(columns)

    def write(self, row: Mapping[str, Any]) -> None:
        """Add one line."""
        self._put([_cell(row.get(column)) for column in self._columns])

    def _put(self, cells: Sequence[str]) -> None:
        text = io.StringIO(newline="")
        # The writer puts quotation marks round what holds a part of its own line end, so that "\r" has to be one.
        csv.writer(text, lineterminator="\r\n").writerow(cells)
        self._file.write(text.getvalue().removesuffix("\r\n").encode(errors="backslashreplace") + b"\n")


def _cell(value: object) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    return value if isinstance(value, str) else dump(value, default=str)


class ParquetWriter(TableWriter):
    """Row groups of `GROUP_ROWS` rows. `label_probs` is a map, `error` a struct, flags are flags, all else is text."""

    def __init__(self, file: BinaryIO, columns: Sequence[str]) -> None:
        super().__init__(file, columns)
        self._arrow = pyarrow()
        text, number = self._arrow.string(), self._arrow.float64()
        self._types = {
            "label_probs": self._arrow.map_(text, number),
            "label_mass": number,
            "error": self._arrow.struct([("code", text), ("message", text)]),
            "is_multiple_choice": self._arrow.bool_(),
        }
        self._schema = self._arrow.schema([(name, self._types.get(name, text)) for name in columns])
        self._writer = pyarrow("pyarrow.parquet").ParquetWriter(file, self._schema, compression="zstd")
        self._rows: list[dict[str, Any]] = []

    def write(self, row: Mapping[str, Any]) -> None:
        """Add one row."""
        self._rows.append({name: self._typed(name, row.get(name)) for name in self._columns})
        if len(self._rows) == GROUP_ROWS:
            self._flush()

    def close(self) -> None:
        """Write the last group and the footer."""
        if self._rows:
            self._flush()
        self._writer.close()

    def _flush(self) -> None:
        self._writer.write_table(self._arrow.Table.from_pylist(self._rows, schema=self._schema))
        self._rows = []

    def _typed(self, name: str, value: Any) -> Any:  # noqa: ANN401  # whatever pyarrow takes
        if name == "label_probs" and value is not None:
            return list(value.items())
        return value if value is None or name in self._types else _cell(value)


WRITERS: dict[str, type[TableWriter]] = {JSON: TableWriter, CSV: CsvWriter, PARQUET: ParquetWriter, TEXT: TableWriter}


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> int:
    """Write rows as the file's name says, whole or not at all; "-" is standard output. The number of rows.

    Raises:
        InputError: the name says nothing.
        SetupError: as `whole_file`, or pyarrow is needed.
    """
    made, written = WRITERS[kind_of(path) if path.suffix else JSON], 0
    with whole_file(path) as file:
        writer = made(file, columns)
        for row in rows:
            writer.write(row)
            written += 1
        writer.close()
    return written
