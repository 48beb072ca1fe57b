"""Answers as JSON lines, CSV and Parquet; the columns are named as the keys of JSON lines are."""

import csv
import io
import json
from collections.abc import Sequence
from typing import Any, BinaryIO

from app.files import dump
from app.jobs.formats.base import Header, ResultWriter
from app.jobs.job import Result
from app.rows import prediction_row
from app.tables.readers import pyarrow

COLUMNS = ("id", "task_type", "answer", "outcome", "prompts", "raw", "label_probs", "label_mass", "error")
GROUP_ROWS = 4096
"""Rows in a row group of a Parquet file."""


class JsonLinesWriter(ResultWriter):
    """A line for each result, as `app.rows.prediction_row` has it."""

    def write(self, result: Result) -> None:
        """Add one line."""
        self._file.write(dump(prediction_row(result.prediction, self._header.prompts)).encode() + b"\n")


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


def _cell(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


class ParquetWriter(ResultWriter):
    """Row groups of `GROUP_ROWS` results. `label_probs` is a map, `error` a struct; what is absent is null."""

    def __init__(self, file: BinaryIO, header: Header) -> None:
        super().__init__(file, header)
        self._arrow = pyarrow()
        text, number = self._arrow.string(), self._arrow.float64()
        columns = [(name, text) for name in ("id", "task_type", "answer", "outcome", "prompts", "raw")]
        columns += [("label_probs", self._arrow.map_(text, number)), ("label_mass", number)]
        columns += [("error", self._arrow.struct([("code", text), ("message", text)]))]
        self._schema = self._arrow.schema(columns)
        self._writer = pyarrow("pyarrow.parquet").ParquetWriter(file, self._schema, compression="zstd")
        self._rows: list[dict[str, Any]] = []

    def write(self, result: Result) -> None:
        """Add one row."""
        row = prediction_row(result.prediction, self._header.prompts)
        if "label_probs" in row:
            row["label_probs"] = list(row["label_probs"].items())
        self._rows.append(row)
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
