"""Rows of published files, one at a time: JSON lines, JSON arrays, CSV, Parquet, and data sets on the hub."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

from app.byte_source import open_bytes
from app.errors import InputError, SetupError
from app.training.sources.hub import is_hub_name, read_hub
from app.training.sources.raw_row import RawRow, missing

HUB_SUFFIX = ".hf"
"""A file of this suffix stands for one of another: its one line names the data set on the hub that holds the rows."""
_BATCH = 1024
_LONGEST_FIELD = 1 << 24
"""Characters of a CSV field; descriptions exceed the library's own limit of 131,072."""

Reader = Callable[[Path, Sequence[str], Sequence[str]], Iterator[RawRow]]


def read_table(path: Path, fields: Sequence[str], optional: Sequence[str] = ()) -> Iterator[RawRow]:
    """The rows of a file in order, none held longer than it is used; a name that begins with "hf:" is streamed.

    `fields` must be there, null or not; of Parquet only they and the `optional` columns that exist are read.

    Raises:
        InputError: the file cannot be read, is empty, or a row lacks a field; it names file, row, field and findings.
        SetupError: a library for the file's kind is not installed.
    """
    read = _hub if is_hub_name(path) else _READERS.get(_suffix(path))
    if read is None:
        raise InputError(f"{path}: read {', '.join(_READERS)} (.gz too), not '{_suffix(path)}'")
    empty = True
    for row in read(path, fields, optional):
        if empty:
            for name in fields:
                if name not in row.values:
                    raise missing(row.place, name, row.values)
        empty = False
        yield row
    if empty:
        raise InputError(f"{path} holds no row; fetch it again")


def find_tables(folder: Path, *patterns: str) -> list[Path]:
    """The files of a folder that match a pattern's stem in any known kind, sorted; a file or a hub name is itself.

    A pattern has no suffix: "sessions_train" finds sessions_train.csv, sessions_train.csv.gz or sessions_train.hf.

    Raises:
        InputError: there is none.
    """
    if is_hub_name(folder) or folder.is_file():
        return [folder]
    found = {path for pattern in patterns for path in folder.glob(f"{pattern}.*") if _suffix(path) in _READERS}
    if not found:
        wanted = " or ".join(f"{pattern}.*" for pattern in patterns)
        raise InputError(f"no {wanted} in {folder}: put the published files there")
    return sorted(found)


def _suffix(path: Path) -> str:
    name = path.name.removesuffix(".gz")
    return Path(name).suffix


def _json(path: Path, fields: Sequence[str], optional: Sequence[str]) -> Iterator[RawRow]:  # noqa: ARG001 - as the others take them
    with open_bytes(path) as file:
        head = _first_character(file)
        yield from (_json_array if head == b"[" else _json_lines)(path, file)


def _first_character(file: BinaryIO) -> bytes:
    """The first character that is not blank; the file is then read from its start again."""
    head = b" "
    while head.isspace():
        head = file.read(1)
    file.seek(0)
    return head


def _json_lines(path: Path, file: BinaryIO) -> Iterator[RawRow]:
    for number, line in enumerate(file, start=1):
        if line.strip():
            place = f"{path}, line {number}"
            try:
                yield _object(place, json.loads(line))
            except (ValueError, RecursionError) as error:
                raise InputError(f"{place} is not JSON: {_reason(error)}") from error


def _json_array(path: Path, file: BinaryIO) -> Iterator[RawRow]:
    ijson = library("ijson", "train", "JSON arrays")
    number = 0
    try:
        for number, value in enumerate(ijson.items(file, "item", use_float=True), start=1):
            yield _object(f"{path}, row {number}", value)
    except ijson.JSONError as error:
        raise InputError(f"{path} is not JSON after row {number}: {_reason(error)}") from error


def _object(place: str, value: object) -> RawRow:
    if isinstance(value, dict):
        return RawRow(place, value)
    raise InputError(f"{place} is not a JSON object but {json.dumps(value)[:40]}")


def _csv(path: Path, fields: Sequence[str], optional: Sequence[str]) -> Iterator[RawRow]:  # noqa: ARG001 - see _json
    csv.field_size_limit(_LONGEST_FIELD)
    try:
        with open_bytes(path) as file:
            reader = csv.DictReader(io.TextIOWrapper(file, encoding="utf-8-sig", newline=""))
            header = dict.fromkeys(reader.fieldnames or ())
            for name in fields:
                if name not in header:
                    raise missing(f"{path}, header", name, header)
            for values in reader:
                if None in values or None in values.values():
                    raise InputError(f"{path}, line {reader.line_num}: not {len(header)} fields, as the header has")
                yield RawRow(f"{path}, line {reader.line_num}", values)
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not CSV in UTF-8: {_reason(error)}") from error


def _parquet(path: Path, fields: Sequence[str], optional: Sequence[str]) -> Iterator[RawRow]:
    arrow = library("pyarrow", "train", "Parquet")
    try:
        file = library("pyarrow.parquet", "train", "Parquet").ParquetFile(path)
        columns = dict.fromkeys(file.schema_arrow.names)
        for name in fields:
            if name not in columns:
                raise missing(f"{path}, columns", name, columns)
        number = 0
        wanted = [*fields, *(name for name in optional if name in columns)]
        for batch in file.iter_batches(batch_size=_BATCH, columns=wanted):
            for values in batch.to_pylist():
                number += 1
                yield RawRow(f"{path}, row {number}", values)
    except (OSError, arrow.ArrowException) as error:
        raise InputError(f"{path} is not Parquet: {_reason(error)}") from error


def _hub(path: Path, fields: Sequence[str], optional: Sequence[str]) -> Iterator[RawRow]:  # noqa: ARG001 - as the others take them
    return read_hub(str(path))


def _hub_file(path: Path, fields: Sequence[str], optional: Sequence[str]) -> Iterator[RawRow]:  # noqa: ARG001 - as the others take them
    with open_bytes(path) as file:
        return read_hub(file.read().decode("utf-8", "replace").strip())


def library(module: str, extra: str, purpose: str) -> Any:  # noqa: ANN401 - these libraries bring no types
    """A library that only some files need.

    Raises:
        SetupError: it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        name = module.split(".")[0]
        raise SetupError(f"{purpose} need {name}: pip install 'shopbench[{extra}]'") from error


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


_READERS: dict[str, Reader] = {
    ".json": _json, ".jsonl": _json, ".csv": _csv, ".parquet": _parquet, HUB_SUFFIX: _hub_file,
}  # fmt: skip
