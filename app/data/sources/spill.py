"""A table on disk, for joins, groups and draws of files that are larger than memory."""

import json
import random
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, TypeVar

from app.errors import SetupError

T = TypeVar("T")


class SpillTable:
    """JSON values by key, in a temporary file of SQLite's own. Keys may repeat; order within a key is kept."""

    def __init__(self, rows: Iterable[tuple[str, Any]]) -> None:
        """Take in the rows.

        Raises:
            SetupError: the disk is full.
        """
        # without a name it is a file that nobody sees and that goes with the connection
        self._connection = sqlite3.connect("", isolation_level=None)
        written = ((key, json.dumps(value)) for key, value in rows)
        try:
            self._connection.execute("CREATE TABLE rows (number INTEGER PRIMARY KEY, key TEXT, value TEXT)")
            self._connection.execute("BEGIN")
            self._connection.executemany("INSERT INTO rows (key, value) VALUES (?, ?)", written)
            self._connection.execute("COMMIT")
            self._connection.execute("CREATE INDEX by_key ON rows (key)")
        except sqlite3.OperationalError as error:
            raise SetupError(f"no room for temporary files: {error}; free space there or set TMPDIR") from error
        (self._size,) = self._connection.execute("SELECT COUNT(*) FROM rows").fetchone()

    def __len__(self) -> int:
        """The number of rows."""
        return int(self._size)

    def first(self, key: str) -> Any:  # noqa: ANN401 - whatever was put in
        """The first value of a key, or None."""
        return self._value("key = ? ORDER BY number LIMIT 1", key)

    def at(self, place: int) -> Any:  # noqa: ANN401 - whatever was put in
        """The value of the row that came at this place, from 0."""
        return self._value("number = ?", place + 1)

    def groups(self) -> Iterator[tuple[str, list[Any]]]:
        """Each key with its values, keys in order."""
        rows = self._connection.execute("SELECT key, value FROM rows ORDER BY key, number")
        for key, group in groupby(rows, key=itemgetter(0)):
            yield key, [json.loads(value) for _, value in group]

    def _value(self, where: str, value: str | int) -> Any:  # noqa: ANN401 - whatever was put in
        row = self._connection.execute(f"SELECT value FROM rows WHERE {where}", (value,)).fetchone()  # noqa: S608 - ours
        return None if row is None else json.loads(row[0])


def once_a_file(make: Callable[[Path], T]) -> Callable[[Path], T]:
    """Keeps what was made of the last file until that is written anew: readers open their tables more than once."""
    kept = lru_cache(maxsize=1)(lambda path, _: make(path))
    return lambda path: kept(path, path.stat().st_mtime_ns if path.is_file() else 0)


OTHERS = 20
"""Products drawn for one question: enough for the longest list."""


@dataclass(frozen=True, slots=True, eq=False)
class TitlePool:
    """Titles of a table: its values, or the "title" of each. Drawn when asked for, as most questions never are."""

    table: SpillTable
    places: Sequence[int]
    """The rows of the table that belong to the pool."""

    def draw(self, seed: str, known: Collection[str]) -> tuple[str, ...]:
        """Different titles that are not known, `OTHERS` at most; the same for the same seed."""
        places = random.Random(seed).sample(self.places, min(2 * OTHERS, len(self.places)))
        return tuple(dict.fromkeys(self._unknown(places, known)))[:OTHERS]

    def _unknown(self, places: list[int], known: Collection[str]) -> Iterator[str]:
        for place in places:
            value: Any = self.table.at(place)
            title = value if isinstance(value, str) else value["title"]
            if title and title not in known:
                yield title
