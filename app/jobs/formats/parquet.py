"""Parquet, through pyarrow; the columns are named as the keys of JSON lines are."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from app.errors import InputError, SetupError
from app.jobs.formats.base import Format, Header, ResultWriter
from app.jobs.job import Result
from app.rows import Row, prediction_row, row_of

GROUP_ROWS = 4096
"""Rows in a row group of the output, and read at a time."""
_READ = ("id", "prompt", "input_field", "is_multiple_choice")


def read(path: Path) -> Iterator[Row]:
    """The rows of a file, in its order.

    Raises:
        SetupError: pyarrow is not installed.
        InputError: the file cannot be read to its end, lacks a column, or holds no row at all.
    """
    number = 0
    for fields in _records(path):
        known = {name: value for name, value in fields.items() if value is not None}
        # Tables often keep flags as numbers.
        if type(flag := known.get("is_multiple_choice")) is int and flag in (0, 1):
            known["is_multiple_choice"] = bool(flag)
        yield row_of(number, known)
        number += 1
    if not number:
        raise InputError(f"{path} has no rows: give rows with 'prompt' and 'is_multiple_choice'")


def count(path: Path) -> int:
    """Rows, from the file's footer, which names the columns too.

    Raises:
        SetupError, InputError: as `read`.
    """
    file = _open(path)
    _columns(file, path)
    return int(file.metadata.num_rows)


class ParquetWriter(ResultWriter):
    """Row groups of `GROUP_ROWS` results. `label_probs` is a map, `error` a struct; what is absent is null."""

    def __init__(self, file: BinaryIO, header: Header) -> None:
        super().__init__(file, header)
        self._arrow = _pyarrow("pyarrow")
        text, number = self._arrow.string(), self._arrow.float64()
        columns = [(name, text) for name in ("id", "task_type", "answer", "outcome", "prompts", "raw")]
        columns += [("label_probs", self._arrow.map_(text, number)), ("label_mass", number)]
        columns += [("error", self._arrow.struct([("code", text), ("message", text)]))]
        self._schema = self._arrow.schema(columns)
        self._writer = _pyarrow("pyarrow.parquet").ParquetWriter(file, self._schema, compression="zstd")
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


def _records(path: Path) -> Iterator[dict[str, Any]]:
    file = _open(path)
    batches = file.iter_batches(GROUP_ROWS, columns=_columns(file, path))
    number = 0
    while True:
        try:
            batch = next(batches, None)
            records = [] if batch is None else _rows(batch)
        except (_pyarrow("pyarrow").ArrowException, OSError) as error:
            first = str(error).partition("\n")[0]
            raise InputError(f"{path} is damaged after row {number}: {first}") from error
        if batch is None:
            return
        yield from records
        number += len(records)


def _rows(batch: Any) -> list[dict[str, Any]]:  # noqa: ANN401  # pyarrow brings no types
    """Text that is not UTF-8 becomes half surrogate pairs, which its row is refused for, and no other."""
    try:
        rows: list[dict[str, Any]] = batch.to_pylist()
    except UnicodeDecodeError:
        columns = [_decoded(column) for column in batch.columns]
        return [dict(zip(batch.schema.names, values, strict=True)) for values in zip(*columns, strict=True)]
    return rows


def _decoded(column: Any) -> list[Any]:  # noqa: ANN401  # pyarrow brings no types
    arrow = _pyarrow("pyarrow")
    if arrow.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if arrow.types.is_string(column.type) or arrow.types.is_large_string(column.type):
        texts = column.cast(arrow.large_binary()).to_pylist()
        return [text if text is None else text.decode("utf-8", "surrogateescape") for text in texts]
    values: list[Any] = column.to_pylist()
    return values


def _columns(file: Any, path: Path) -> list[str]:  # noqa: ANN401  # pyarrow brings no types
    names = file.schema_arrow.names
    for column, also in (("prompt", "input_field"), ("is_multiple_choice", None)):
        if column not in names and also not in names:
            named = ", ".join(map(repr, names))[:200]
            spelt = f"{column!r} (or {also!r})" if also else repr(column)
            raise InputError(f"{path} has no column {spelt}, but {named}: rename one")
    return [name for name in _READ if name in names]


def _open(path: Path) -> Any:  # noqa: ANN401  # pyarrow brings no types
    arrow = _pyarrow("pyarrow")
    parquet = _pyarrow("pyarrow.parquet")
    try:
        return parquet.ParquetFile(path)
    except arrow.ArrowInvalid as error:
        raise InputError(f"{path} is not a Parquet file: {str(error).splitlines()[0]}") from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or str(error).splitlines()[0]}") from error


def _pyarrow(module: str) -> Any:  # noqa: ANN401  # pyarrow brings no types
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise SetupError("Parquet needs pyarrow: pip install 'shopbench[parquet]', or use JSON lines") from error


PARQUET = Format("parquet", (".parquet", ".pq"), read, count, ParquetWriter)
