"""Rows of published files and of data sets on the hub, and what their readers share."""

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from app.errors import InputError, SetupError, first_line, library
from app.files import open_bytes
from app.tables.raw import RawRow as RawRow
from app.tables.raw import missing as missing
from app.tables.readers import read_raw, strict, suffix_of, tables_in
from app.tasks.lists import NumberedList, find_lists, principal

H = TypeVar("H", bound=Hashable)


def one_line(text: str) -> str:
    """The text with single blanks for all white space."""
    return " ".join(text.split())


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
    datasets = library("datasets", text, "train")
    failures = (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError)
    try:
        found = datasets.load_dataset(name, config or None, streaming=True)
        rows = _split(found, split, text)
        for number, values in enumerate(rows, start=1):
            yield RawRow(f"{text}, row {number}", values, number - 1, f"row {number}")
    except failures as error:
        raise InputError(f"cannot read {text}: {first_line(error)}; name it as {FORM}, or use local files") from error


def _split(found: Any, split: str, text: str) -> Any:  # noqa: ANN401 - the library brings no types
    names = list(found)
    chosen = split or (_SPLIT if _SPLIT in names else names[0] if len(names) == 1 else "")
    if chosen not in names:
        raise InputError(f"{text} has the splits {', '.join(names)}: name one of them ({FORM})")
    return found[chosen]


HUB_SUFFIX = ".hf"
"""A file of this suffix stands for one of another: its one line names the data set on the hub that holds the rows."""


def read_table(path: Path, fields: Sequence[str], optional: Sequence[str] = ()) -> Iterator[RawRow]:
    """The rows of a file in order, none held longer than it is used; a name that begins with "hf:" is streamed.

    `fields` must be there, null or not; of Parquet only they and the `optional` columns that exist are read.

    Raises:
        InputError: the file cannot be read, is empty, or a row lacks a field; it names file, row, field and findings.
        SetupError: a library for the file's kind is not installed.
    """

    def wanted(names: Sequence[str]) -> Sequence[str]:
        for name in fields:
            if name not in names:
                raise missing(f"{path}, columns", name, dict.fromkeys(names))
        return [*fields, *(name for name in optional if name in names)] or names

    if is_hub_name(path):
        rows = read_hub(str(path))
    elif suffix_of(path) == HUB_SUFFIX:
        with open_bytes(path) as file:
            rows = read_hub(file.read().decode("utf-8", "replace").strip())
    else:
        rows = read_raw(path, wanted=wanted)
    for number, row in enumerate(strict(rows, path)):
        for name in fields if number == 0 else ():
            if name not in row.values:
                raise missing(row.place, name, row.values)
        yield row


def find_tables(folder: Path, *patterns: str) -> list[Path]:
    """The files of a folder that match a pattern's stem in any known kind, sorted; a file or a hub name is itself.

    A pattern has no suffix: "sessions_train" finds sessions_train.csv, sessions_train.csv.gz or sessions_train.hf.

    Raises:
        InputError: there is none.
    """
    if is_hub_name(folder) or folder.is_file():
        return [folder]
    named = [path for pattern in patterns for path in folder.glob(f"{pattern}{HUB_SUFFIX}")]
    found = {*tables_in(folder, *(f"{pattern}.*" for pattern in patterns)), *named}
    if not found:
        wanted = " or ".join(f"{pattern}.*" for pattern in patterns)
        raise InputError(f"no {wanted} in {folder}: put the published files there")
    return sorted(found)


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


def joined(links: Iterable[tuple[H, H]]) -> dict[H, H]:
    """For each thing one of those that links join it with, directly or through others: the same for all of these."""
    leader: dict[H, H] = {}

    def lead(thing: H) -> H:
        while leader.setdefault(thing, thing) != thing:
            thing = leader[thing]
        return thing

    for one, other in links:
        leader[lead(other)] = lead(one)
    return {thing: lead(thing) for thing in list(leader)}


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
