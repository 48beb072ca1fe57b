"""Rows of a file with the line on which each begins: JSON lines, a JSON array, or CSV."""

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.errors import InputError

csv.field_size_limit(2**31 - 1)

_BETWEEN = re.compile(r"[\s,]*")


@dataclass(frozen=True, slots=True)
class FileRow:
    """One row's fields, and where it stands."""

    path: Path
    line: int
    fields: dict[str, Any]

    def refuse(self, field: str, problem: object) -> InputError:
        """The error that names file, line and field."""
        return InputError(f"{self.path}, line {self.line}, field '{field}': {problem}")

    def text(self, *names: str) -> str:
        """The first of these fields that the row has.

        Raises:
            InputError: it has none of them, or the field is no text or a blank one.
        """
        name, value = self.value(*names)
        if isinstance(value, str) and value.strip():
            return value
        raise self.refuse(name, "must be a text that is not blank")

    def value(self, *names: str) -> tuple[str, Any]:
        """The first of these fields that the row has: its name and value.

        Raises:
            InputError: it has none of them.
        """
        for name in names:
            if name in self.fields:
                return name, self.fields[name]
        raise self.refuse(names[0], "is missing")


def read_file_rows(path: Path) -> list[FileRow]:
    """All rows of a .csv, .json or .jsonl file; a .json file may hold an array or JSON lines.

    Raises:
        InputError: the file cannot be read, is empty, or is malformed; the message names the line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text (byte {error.start}): convert it first") from error
    rows = list(_split(path, text))
    if not rows:
        raise InputError(f"{path} is empty: it holds no row")
    return rows


def _split(path: Path, text: str) -> Iterator[FileRow]:
    if path.suffix.lower() == ".csv":
        return _csv_rows(path, text)
    if text.lstrip().startswith("["):
        return _array_rows(path, text)
    return _line_rows(path, text)


def _csv_rows(path: Path, text: str) -> Iterator[FileRow]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for fields in reader:
            if None in fields or None in fields.values():
                raise InputError(f"{path}, line {line + 1}: the row does not have the header's number of fields")
            yield FileRow(path, line + 1, dict(fields))
            line = reader.line_num
    except csv.Error as error:
        raise InputError(f"{path}, line {line + 1}: {error}") from error


def _line_rows(path: Path, text: str) -> Iterator[FileRow]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                yield _row(path, number, json.loads(line))
            except json.JSONDecodeError as error:
                raise InputError(f"{path}, line {number}: not JSON ({error.msg}, column {error.colno})") from error
            except RecursionError as error:
                raise InputError(f"{path}, line {number}: nested too deeply") from error


def _array_rows(path: Path, text: str) -> Iterator[FileRow]:
    """One element at a time, so that each is known by its line."""
    decoder = json.JSONDecoder()
    position, line, counted = _after(text, text.index("[") + 1), 1, 0
    while position < len(text) and text[position] != "]":
        line += text.count("\n", counted, position)
        counted = position
        try:
            value, end = decoder.raw_decode(text, position)
        except json.JSONDecodeError as error:
            raise InputError(f"{path}, line {error.lineno}: not JSON ({error.msg}, column {error.colno})") from error
        except RecursionError as error:
            raise InputError(f"{path}, line {line}: nested too deeply") from error
        yield _row(path, line, value)
        position = _after(text, end)
    if position >= len(text):
        raise InputError(f"{path}, line {text.count(chr(10)) + 1}: the JSON array is not closed with ']'")


def _after(text: str, position: int) -> int:
    match = _BETWEEN.match(text, position)
    return match.end() if match else position


def _row(path: Path, line: int, value: object) -> FileRow:
    if not isinstance(value, dict):
        raise InputError(f"{path}, line {line}: must be a JSON object, not {json.dumps(value)[:40]}")
    return FileRow(path, line, value)
