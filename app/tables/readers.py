"""The one reader of tables: JSON lines, JSON arrays, CSV, Parquet and plain text, plain or gzip, from files and pipes.

Rows come in order, none held longer than it is used. A row that cannot be read is a row with a fault, which every
caller sees by the same place and in the same words; what is wrong with a whole file is an InputError.
"""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from app.errors import InputError
from app.files import is_packed, open_bytes
from app.tables.parquet import parquet_file, parquet_records
from app.tables.raw import RawRow, encodes
from app.types import Failure

if TYPE_CHECKING:
    from _csv import Reader as CsvReader

Wanted = Callable[[Sequence[str]], Sequence[str]]
"""Given a table's columns, those to read; raises InputError where one is not there. JSON has rows, and no columns."""

JSON, CSV, PARQUET, TEXT = "jsonl", "csv", "parquet", "text"
SUFFIXES = {
    ".jsonl": JSON, ".ndjson": JSON, ".json": JSON, ".csv": CSV, ".tsv": CSV, ".parquet": PARQUET, ".pq": PARQUET,
}  # fmt: skip
PROMPT = "prompt"
"""What a line of plain text is."""
MAX_CELL_CHARACTERS = 1 << 20
"""A stray quotation mark takes all that follows into its cell; no text of a table is as long as this."""
_CHUNK = 1 << 16
_CUT = 16
"""Characters before the end of what was read: an error there may only say that more has to be read."""
_BETWEEN = re.compile(r"[\s,]*")
_ARRAY = re.compile(rb"\s*\[\s*(?:\{|\]|\n|$)")
_SPREAD = re.compile(rb"\s*\{[ \t\r]*\n\s*\"")
"""An object over several lines."""
_FOREIGN = {
    b"\xff\xfe": "UTF-16 text: save it as UTF-8",
    b"\xfe\xff": "UTF-16 text: save it as UTF-8",
    b"PK\x03\x04": "a zip archive or an Excel workbook: unpack it, or save it as CSV",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook: save it as CSV",
    b"\x28\xb5\x2f\xfd": "compressed by zstd: unpack it, or use gzip",
    b"BZh": "compressed by bzip2: unpack it, or use gzip",
    b"\xfd7zXZ": "compressed by xz: unpack it, or use gzip",
    b"%PDF": "a PDF: give a table",
    b"SQLite format 3": "an SQLite database: export its table as CSV",
    b"version https://git-lfs": "what Git LFS leaves in a file's place: run 'git lfs pull'",
    b"<": "a web page or XML: fetch the file itself",
}
_DELIMITERS = ",\t;|"
"""Between columns; the one that the header has most of, and commas where it has none."""


def kind_of(path: Path, name: str | None = None) -> str:
    """How a file is read: as it is asked for, else as its name says. Pipes and names without an ending are JSON lines.

    A .txt file is plain text, one question a line, unless it begins like JSON.

    Raises:
        InputError: there is no such kind, or the name says nothing.
    """
    known = ", ".join((JSON, CSV, PARQUET, TEXT))
    if name is not None:
        if name not in (JSON, CSV, PARQUET, TEXT):
            raise InputError(f"unknown format {name!r}; there are {known}")
        return name
    suffix = suffix_of(path)
    if suffix == ".txt":
        return JSON if path.is_file() and _begins_as_json(path) else TEXT
    if suffix and suffix not in SUFFIXES:
        raise InputError(f"{path}: {suffix!r} says nothing; name the format with an option, one of {known}")
    return SUFFIXES.get(suffix, JSON)


def suffix_of(path: Path) -> str:
    """The ending that names a file's kind, in small letters; that of its content where it is compressed."""
    name = path.name.lower()
    return Path(name.removesuffix(".gz")).suffix


def stem_of(path: Path) -> str:
    """A file's name without what names its kind."""
    return Path(path.name[:-3] if is_packed(path) else path.name).stem


def tables_in(folder: Path, *patterns: str) -> list[Path]:
    """The files below a folder that match a pattern and are tables by name, sorted. Hidden ones are none."""
    found = {path for pattern in patterns for path in folder.glob(pattern) if suffix_of(path) in SUFFIXES}
    shown = (path for path in found if not any(_hidden(part) for part in path.relative_to(folder).parts))
    return sorted(path for path in shown if path.is_file())


def _hidden(name: str) -> bool:
    """A dot's file, or what macOS puts into archives beside each file."""
    return name.startswith(".") or name == "__MACOSX"


def read_raw(
    path: Path, kind: str | None = None, wanted: Wanted = lambda names: names, longest: int | None = None
) -> Iterator[RawRow]:
    """The rows of a file or a pipe ("-" is standard input), those that cannot be read with their fault.

    `kind` is as `kind_of` takes it. `longest` is how many bytes (characters, of an array's element) a row of JSON may
    have; what is longer is not parsed.

    Raises:
        InputError: the file cannot be read, is not what it should be, or breaks off.
        SetupError: pyarrow is needed, and not installed.
    """
    kind = kind_of(path, kind)
    return _json(path, wanted, longest) if kind == JSON else _READERS[kind](path, wanted)


def strict(rows: Iterable[RawRow], path: Path) -> Iterator[RawRow]:
    """The same rows; the first that cannot be read is an InputError, and so is there being none."""
    empty = True
    for row in rows:
        if row.fault is not None:
            raise InputError(f"{path}, {row.fault.message}")
        empty = False
        yield row
    if empty:
        raise InputError(f"{path} is empty: it holds no row")


def count_rows(path: Path, kind: str | None = None, wanted: Wanted = lambda names: names) -> int:
    """How many rows `read_raw` gives, in much less time where the file allows. Errors as there."""
    kind = kind_of(path, kind)
    if kind == PARQUET:
        with parquet_file(path) as file:
            wanted(file.schema_arrow.names)
            return int(file.metadata.num_rows)
    if kind == JSON:
        with _opened(path, kind) as (file, head):
            if not (_ARRAY.match(head) or _SPREAD.match(head)):
                return sum(1 for line in file if not line.isspace())
    return sum(1 for _ in read_raw(path, kind, wanted))


@contextmanager
def _opened(path: Path, kind: str) -> Iterator[tuple[BinaryIO, bytes]]:
    """The file's bytes and its beginning, once that is not what another kind of file begins with."""
    with open_bytes(path) as file:
        head = bytes(file.peek(8192)).removeprefix(b"\xef\xbb\xbf")
        if head.startswith(b"PAR1"):
            raise InputError(f"{path} seems to be Parquet: say so by its name or with --input-format parquet")
        for magic, what in _FOREIGN.items():
            if head.startswith(magic) and (magic != b"<" or kind != TEXT):
                raise InputError(f"{path} seems to be {what}")
        if b"\0" in head[:2]:
            raise InputError(f"{path} seems to be UTF-16 text or no text at all: save it as UTF-8")
        yield file, head


def _begins_as_json(path: Path) -> bool:
    with open_bytes(path) as file:
        head = file.read(_CHUNK).removeprefix(b"\xef\xbb\xbf")
    return head.lstrip().startswith(b"{") or bool(_ARRAY.match(head))


def _json(path: Path, wanted: Wanted, longest: int | None = None) -> Iterator[RawRow]:  # noqa: ARG001  # as the others take it
    with _opened(path, JSON) as (file, head):
        lines = [line for line in head.split(b"\n") if line.strip()]
        if lines and not any(line.lstrip().startswith((b"{", b"[")) for line in lines):
            table = any(mark in lines[0] for mark in (b",", b";", b"\t"))
            seems = "CSV" if table else "plain text, a question a line"
            raise InputError(f"{path} is not JSON, but seems to be {seems}: say so by its name or with --input-format")
        values = _json_values if _ARRAY.match(head) or _SPREAD.match(head) else _json_lines
        try:
            for index, (where, found) in enumerate(values(path, file, longest)):
                if isinstance(found, dict):
                    yield RawRow(f"{path}, {where}", found, index, where)
                elif isinstance(found, Failure):
                    yield RawRow(f"{path}, {where}", {}, index, where, found)
                else:
                    fault = Failure("invalid_row", f"{where} is not a JSON object but {json.dumps(found)[:40]}")
                    yield RawRow(f"{path}, {where}", {}, index, where, fault)
        except UnicodeDecodeError as error:
            raise InputError(f"{path} is not UTF-8 text ({error.reason}): convert it first") from error


def _json_lines(
    path: Path,  # noqa: ARG001  # as the other takes it
    file: BinaryIO,
    longest: int | None,
) -> Iterator[tuple[str, object]]:
    for number, line in enumerate(file, start=1):
        if line.isspace():
            continue
        where = f"line {number}"
        if longest is not None and len(line) > longest:
            yield where, Failure("row_too_large", f"{where} is larger than {longest} bytes: split it into several")
            continue
        try:
            yield where, json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
        except UnicodeDecodeError as error:
            yield where, Failure("invalid_text", f"{where} is not UTF-8 text: {error.reason} at byte {error.start}")
        except json.JSONDecodeError as error:
            yield where, Failure("invalid_json", f"{where} is not JSON: {error.msg}, column {error.colno}")
        except (ValueError, RecursionError) as error:
            told = "nested too deeply" if isinstance(error, RecursionError) else f"not JSON: {error}"
            yield where, Failure("invalid_json", f"{where} is {told}: give one flat JSON object")


def _json_values(path: Path, file: BinaryIO, longest: int | None) -> Iterator[tuple[str, object]]:
    """The elements of an array, or objects one after the other; as much is read at a time as the next one needs."""
    decoder = json.JSONDecoder()
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    rest, size, line, number = text.read(_CHUNK), _CHUNK, 1, 0
    inside = rest.lstrip().startswith("[")
    position = rest.index("[") + 1 if inside else 0
    line += rest.count("\n", 0, position)
    while True:
        start = _end_of(_BETWEEN, rest, position)
        where = f"line {line + rest.count(chr(10), position, start)}, row {number + 1}"
        problem, at_end, value, end = "the JSON array is not closed with ']'", True, None, start
        if inside and rest.startswith("]", start):
            if rest[start + 1 :].strip() or text.read(_CHUNK).strip():
                raise InputError(f"{path}: something follows the JSON array: give one array, or one object a line")
            return
        if start < len(rest):
            try:
                value, end = decoder.raw_decode(rest, start)
                at_end = end == len(rest)
                problem = ""
            except json.JSONDecodeError as error:
                problem = f"{error.msg}, column {error.colno}"
                at_end = error.msg.startswith("Unterminated") or error.pos >= len(rest) - _CUT
            except RecursionError as error:
                raise InputError(f"{path}, {where} is nested too deeply") from error
        if longest is not None and (len(rest) if at_end else end) - start > longest:
            raise InputError(f"{path}, {where} is larger than {longest} characters: split it into several")
        if at_end and (more := text.read(size)):
            line += rest.count("\n", position, start)
            rest, position, size = rest[start:] + more, 0, size * 2
            continue
        if not inside and start == len(rest):
            return
        if problem:
            raise InputError(f"{path}, {where} is not JSON: {problem}")
        yield where, value
        line += rest.count("\n", position, end)
        position, size, number = end, _CHUNK, number + 1


def _end_of(pattern: re.Pattern[str], text: str, position: int) -> int:
    match = pattern.match(text, position)
    return match.end() if match else position


def _csv(path: Path, wanted: Wanted) -> Iterator[RawRow]:
    csv.field_size_limit(MAX_CELL_CHARACTERS)
    with _opened(path, CSV) as (file, head):
        first = head.lstrip().partition(b"\n")[0].decode("utf-8", "replace")
        if first.startswith(("{", "[")):
            raise InputError(f"{path} seems to be JSON: say so by its name or with --input-format jsonl")
        delimiter = max(_DELIMITERS, key=first.count)
        # Bytes that are no UTF-8 become surrogates, which are refused in the row that holds them.
        with io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="") as text:
            reader = csv.reader(text, strict=True, delimiter=delimiter)
            index, columns = -1, None
            for where, cells in _cells(reader):
                if columns is None:
                    if isinstance(cells, Failure):
                        raise InputError(f"{path}, {cells.message}")
                    columns = _columns(path, [name.strip() for name in cells])
                    wanted(columns)
                    continue
                index += 1
                yield _csv_row(path, where, index, columns, cells)


def _cells(reader: "CsvReader") -> Iterator[tuple[str, list[str] | Failure]]:
    """Where each line that is not blank begins, with its cells or what is wrong with it."""
    while True:
        first = reader.line_num + 1
        try:
            cells: list[str] | Failure = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            where = f"line {first} is" if first == reader.line_num else f"lines {first} to {reader.line_num} are"
            fix = f": close the quotation mark that the row of line {first} opens" if where.endswith("are") else ""
            cells = Failure("invalid_csv", f"{where} not CSV: {error}{fix}")
        if cells:
            yield f"line {first}", cells


def _columns(path: Path, names: Sequence[str]) -> Sequence[str]:
    """A table's columns, if each has a name of its own; those without one are nobody's."""
    twice = next((name for name in names if name and list(names).count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{path} has two columns '{twice}': rename one")
    return names


def _csv_row(path: Path, where: str, index: int, columns: Sequence[str], cells: list[str] | Failure) -> RawRow:
    place = f"{path}, {where}"
    if isinstance(cells, Failure):
        return RawRow(place, {}, index, where, cells)
    if len(cells) != len(columns):
        message = f"{where} has {len(cells)} cells for {len(columns)} columns: put text with commas in quotes"
        return RawRow(place, {}, index, where, Failure("invalid_row", message))
    fields = dict(zip(columns, cells, strict=True))
    fields.pop("", None)
    return RawRow(place, fields, index, where, _no_utf8(where, cells))


def _no_utf8(where: str, values: Iterable[object]) -> Failure | None:
    if all(value.isascii() or encodes(value) for value in values if isinstance(value, str)):
        return None
    return Failure("invalid_text", f"{where} is not UTF-8 text: convert the file")


def _text(path: Path, wanted: Wanted) -> Iterator[RawRow]:
    wanted((PROMPT,))
    with _opened(path, TEXT) as (file, _):
        lines = ((number, line) for number, line in enumerate(file, start=1) if not line.isspace())
        for index, (number, line) in enumerate(lines):
            asked = line.decode("utf-8-sig" if number == 1 else "utf-8", "surrogateescape").strip()
            where = f"line {number}"
            yield RawRow(f"{path}, {where}", {PROMPT: asked}, index, where, _no_utf8(where, [asked]))


def _parquet(path: Path, wanted: Wanted) -> Iterator[RawRow]:
    with parquet_file(path) as file:
        columns = wanted(_columns(path, file.schema_arrow.names))
        for index, values in enumerate(parquet_records(file, path, columns)):
            where = f"row {index + 1}"
            yield RawRow(f"{path}, {where}", values, index, where, _no_utf8(where, values.values()))


_READERS = {JSON: _json, CSV: _csv, PARQUET: _parquet, TEXT: _text}
