"""Rows of published files, one at a time: JSON lines, JSON arrays, CSV, Parquet, and data sets on the hub."""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

from app.errors import InputError, SetupError
from app.files import open_bytes
from app.tasks.answers import literal
from app.tasks.lists import NumberedList, find_lists, principal

_SHOWN = 8
"""Fields that an error lists."""


@dataclass(frozen=True, slots=True)
class RawRow:
    """One row and where it stands, such as "dataset.json, row 12" (rows and lines count from 1).

    Fields are read as a type; InputError where one that must be there is missing, or is of another type.
    """

    place: str
    values: Mapping[str, Any]

    def has(self, *names: str) -> bool:
        """Whether all of the fields are there and hold something."""
        return all(self.values.get(name) is not None for name in names)

    def text(self, name: str) -> str:
        """A text that must be there."""
        value = self._given(name)
        if isinstance(value, str):
            return value
        raise self.wrong(name, "text", value)

    def text_or(self, name: str, default: str = "") -> str:
        """A text, or the default where the field is absent or null."""
        return self.text(name) if self.has(name) else default

    def number(self, name: str) -> float:
        """A number that must be there; digits in text count (CSV)."""
        value = self._given(name)
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            with suppress(ValueError):
                return float(value)
        raise self.wrong(name, "a number", value)

    def whole(self, name: str) -> int:
        """A whole number that must be there."""
        value = self.number(name)
        if not value.is_integer():
            raise self.wrong(name, "a whole number", value)
        return int(value)

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts that must be there, also where it is written as text ("['a', 'b']")."""
        value = self._given(name)
        listed = literal(value) if isinstance(value, str) else value
        if isinstance(listed, list | tuple) and all(isinstance(one, str) for one in listed):
            return tuple(listed)
        raise self.wrong(name, "a list of texts", value)

    def texts_or_none(self, name: str) -> tuple[str, ...]:
        """A list of texts, empty where the field is absent or null."""
        return self.texts(name) if self.has(name) else ()

    def wrong(self, name: str, wanted: str, found: object) -> InputError:
        """The error of a field that is of another type than wanted."""
        return InputError(f"{self.place}: '{name}' must be {wanted}, found {_short(found)}")

    def _given(self, name: str) -> Any:  # noqa: ANN401 - whatever the file holds
        if name not in self.values or self.values[name] is None:
            raise missing(self.place, name, self.values)
        return self.values[name]


def one_line(text: str) -> str:
    """The text with single blanks for all white space."""
    return " ".join(text.split())


def missing(place: str, name: str, found: Mapping[str, Any]) -> InputError:
    """The error of a field that is not there, with the fields that are."""
    names = [f"'{key}'" for key in found]
    listed = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    empty = " (empty)" if name in found else ""
    return InputError(f"{place}: no field '{name}'{empty}; found {listed or 'none'}")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


PREFIX = "hf:"
FORM = "hf:owner/name[:config][:split]"
_SPLIT = "train"


def is_hub_name(place: Path) -> bool:
    """Whether a place is a data set on the hub rather than a file or a folder."""
    return str(place).startswith(PREFIX)


def parse_hub_name(text: str) -> tuple[str, str, str]:
    """Name (or a local folder of such files), configuration and split of "hf:owner/name[:config][:split]".

    An empty configuration ("hf:owner/name::test") is the default.

    Raises:
        SetupError: it has another form.
    """
    parts = text.removeprefix(PREFIX).split(":")
    if not text.startswith(PREFIX) or not parts[0].strip() or len(parts) > 3:
        raise SetupError(f"not a data set's name: {text!r}; write {FORM}")
    name, config, split, *_ = (*parts, "", "")
    return name, config, split


def read_hub(text: str) -> Iterator[RawRow]:
    """The rows of a data set on the hub, as they arrive.

    Without a split, "train" is read, or the only split that there is.

    Raises:
        SetupError: `datasets` is not installed, or the name has another form.
        InputError: the data set, its configuration or its split is not there, or cannot be read.
    """
    name, config, split = parse_hub_name(text)
    datasets = library("datasets", text)
    failures = (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError)
    try:
        found = datasets.load_dataset(name, config or None, streaming=True)
        rows = _split(found, split, text)
        for number, values in enumerate(rows, start=1):
            yield RawRow(f"{text}, row {number}", values)
    except failures as error:
        raise InputError(f"cannot read {text}: {_reason(error)}; name it as {FORM}, or use local files") from error


def _split(found: Any, split: str, text: str) -> Any:  # noqa: ANN401 - the library brings no types
    names = list(found)
    chosen = split or (_SPLIT if _SPLIT in names else names[0] if len(names) == 1 else "")
    if chosen not in names:
        raise InputError(f"{text} has the splits {', '.join(names)}: name one of them ({FORM})")
    return found[chosen]


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
    ijson = library("ijson", "JSON arrays")
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
            separator = "\t" if b"\t" in file.readline() else ","
            file.seek(0)
            reader = csv.DictReader(io.TextIOWrapper(file, encoding="utf-8-sig", newline=""), delimiter=separator)
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
    arrow = library("pyarrow", "Parquet files")
    try:
        file = library("pyarrow.parquet", "Parquet files").ParquetFile(path)
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


def library(module: str, purpose: str) -> Any:  # noqa: ANN401 - these libraries bring no types
    """A library that only some files need.

    Raises:
        SetupError: it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        name = module.split(".")[0]
        raise SetupError(f"to read {purpose}, {name} is needed: pip install 'shopbench[train]'") from error


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


_READERS: dict[str, Reader] = {
    ".json": _json, ".jsonl": _json, ".csv": _csv, ".parquet": _parquet, HUB_SUFFIX: _hub_file,
}  # fmt: skip


def count(faults: Counter[str], name: str, times: int = 1) -> None:
    """Count a fault so many times; none leaves no name behind."""
    if times:
        faults[name] += times


ENGLISH = "en"
_KANA = re.compile(r"[\u3040-\u30ff]")
_HAN = re.compile(r"[\u4e00-\u9fff]")
_WORD = re.compile(r"[^\W\d_]+")
_WORDS = {
    "en": "the and for with of to in on is your you a this from by are that it or be can not as an will have",
    "de": "und für mit der die das den dem von im zum zur ist eine ein einen einer aus auf nicht auch wird bei oder",
    "fr": "et pour avec le la les des du une un est sur dans vous votre au aux par ce cette sans plus en à",
    "es": "y para con el la los las del una un es en su por que de sin más al este esta como sus se",
    "it": "e per con il lo la gli le della di del dei una un è in da che non sono al alla nel più questo questa",
    "id": "dan untuk dengan yang dari di ini anda isi warna bahan anak wanita pria baju tas sepatu cocok bisa produk",
}
"""Words that a language's titles and descriptions are full of."""
_LANGUAGES: dict[str, tuple[str, ...]] = {
    word: tuple(code for code, words in _WORDS.items() if word in words.split())
    for word in {word for words in _WORDS.values() for word in words.split()}
}


def language_of(text: str) -> str:
    """The code of a text's language ("de"); English where nothing speaks for another one."""
    if _KANA.search(text):
        return "ja"
    if _HAN.search(text):
        return "zh"
    counts = Counter(code for word in _WORD.findall(text.lower()) for code in _LANGUAGES.get(word, ()))
    best = max(_WORDS, key=lambda code: counts[code])
    return best if counts[best] > counts[ENGLISH] else ENGLISH


def last_list(question: str) -> NumberedList | None:
    """The list that a question is about: the announced one, else the longest."""
    return principal(find_lists(question))


def without(question: str, found: NumberedList, numbers: set[int]) -> str:
    """The question without the entries of these numbers, the rest counted without gaps from the first number on.

    Raises ValueError where the first entry is among them: it holds the list's place.
    """
    first = found.numbers[0]
    if first in numbers:
        raise ValueError("the first entry holds the list's place")
    kept = [number for number in found.numbers if number not in numbers]
    for entry in reversed(found.entries):
        if entry.number in numbers:
            start, end, label = question.rfind("\n", 0, entry.line_start), entry.end, ""
        else:
            start = question.index(str(entry.number), entry.line_start)
            end, label = start + len(str(entry.number)), str(first + kept.index(entry.number))
        question = question[:start] + label + question[end:]
    return question
