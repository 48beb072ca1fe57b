"""Parquet through pyarrow, which brings no types: a file, its rows, and the library itself."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from app.errors import InputError, first_line, library
from app.files import is_packed, is_stream, open_bytes

BATCH_ROWS = 4096
"""Rows that are read at a time."""


@contextmanager
def parquet_file(path: Path) -> Iterator[Any]:
    """The file, which begins at its end: what comes from a pipe or is compressed is unpacked beside it first."""
    arrow, parquet = pyarrow(), pyarrow("pyarrow.parquet")
    with tempfile.TemporaryFile() as unpacked:
        packed = is_stream(path) or is_packed(path)
        if packed:
            with open_bytes(path) as file:
                shutil.copyfileobj(file, unpacked)
        try:
            yield parquet.ParquetFile(unpacked if packed else path)
        except arrow.ArrowInvalid as error:
            raise InputError(f"{path} is not a Parquet file: {first_line(error)}") from error
        except OSError as error:
            raise InputError(f"cannot read {path}: {error.strerror or first_line(error)}") from error


def pyarrow(module: str = "pyarrow") -> Any:  # noqa: ANN401  # pyarrow brings no types
    """The library for Parquet; a `SetupError` where it is not installed."""
    return library(module, "Parquet", "parquet")


def parquet_records(file: Any, path: Path, columns: Sequence[str]) -> Iterator[dict[str, Any]]:  # noqa: ANN401  # pyarrow brings no types
    """The rows of an open file, of these columns.

    Raises:
        InputError: the file is damaged.
    """
    batches, number = file.iter_batches(BATCH_ROWS, columns=list(columns)), 0
    while True:
        try:
            batch = next(batches, None)
            records = [] if batch is None else _records(batch)
        except (pyarrow().ArrowException, OSError) as error:
            raise InputError(f"{path} is damaged after row {number}: {str(error).partition(chr(10))[0]}") from error
        if batch is None:
            return
        yield from records
        number += len(records)


def _records(batch: Any) -> list[dict[str, Any]]:  # noqa: ANN401  # pyarrow brings no types
    """Text that is not UTF-8 becomes half surrogate pairs, which its row is refused for, and no other."""
    try:
        rows: list[dict[str, Any]] = batch.to_pylist()
    except UnicodeDecodeError:
        columns = [_decoded(column) for column in batch.columns]
        return [dict(zip(batch.schema.names, values, strict=True)) for values in zip(*columns, strict=True)]
    return rows


def _decoded(column: Any) -> list[Any]:  # noqa: ANN401  # pyarrow brings no types
    arrow = pyarrow()
    if arrow.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if arrow.types.is_string(column.type) or arrow.types.is_large_string(column.type):
        texts = column.cast(arrow.large_binary()).to_pylist()
        return [text if text is None else text.decode("utf-8", "surrogateescape") for text in texts]
    values: list[Any] = column.to_pylist()
    return values
