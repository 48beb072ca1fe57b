"""A table on disk, for joins and groups of files that are larger than memory."""

import json
import sqlite3
import tempfile
import weakref
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from app.errors import SetupError


class SpillTable:
    """JSON values by key, in a temporary file that goes with the table. Keys may repeat; order within a key is kept."""

    def __init__(self) -> None:
        """An empty table.

        Raises:
            SetupError: the folder for temporary files cannot be written.
        """
        try:
            with tempfile.NamedTemporaryFile(prefix="shopbench-", suffix=".sqlite", delete=False) as file:
                path = Path(file.name)
        except OSError as error:
            raise _full(error) from error
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = OFF")
        self._connection.execute("PRAGMA synchronous = OFF")
        self._connection.execute("CREATE TABLE rows (number INTEGER PRIMARY KEY, key TEXT, value TEXT)")
        weakref.finalize(self, _remove, self._connection, path)

    def fill(self, rows: Iterable[tuple[str, Any]]) -> "SpillTable":
        """Add the rows, then make them ready to be looked up; the table itself.

        Raises:
            SetupError: the disk is full.
        """
        written = ((key, json.dumps(value)) for key, value in rows)
        try:
            self._connection.execute("BEGIN")
            self._connection.executemany("INSERT INTO rows (key, value) VALUES (?, ?)", written)
            self._connection.execute("COMMIT")
            self._connection.execute("CREATE INDEX IF NOT EXISTS by_key ON rows (key)")
        except sqlite3.OperationalError as error:
            raise _full(error) from error
        return self

    def __len__(self) -> int:
        """The number of rows."""
        return int(self._connection.execute("SELECT COALESCE(MAX(number), 0) FROM rows").fetchone()[0])

    def first(self, key: str) -> Any:  # noqa: ANN401 - whatever was put in
        """The first value of a key, or None."""
        found = self._connection.execute("SELECT value FROM rows WHERE key = ? ORDER BY number LIMIT 1", (key,))
        row = found.fetchone()
        return None if row is None else json.loads(row[0])

    def at(self, place: int) -> Any:  # noqa: ANN401 - whatever was put in
        """The value of the row that was added at this place, from 0."""
        row = self._connection.execute("SELECT value FROM rows WHERE number = ?", (place + 1,)).fetchone()
        return json.loads(row[0])

    def groups(self) -> Iterator[tuple[str, list[Any]]]:
        """Each key with its values, keys in order."""
        rows = self._connection.execute("SELECT key, value FROM rows ORDER BY key, number")
        for key, group in groupby(rows, key=itemgetter(0)):
            yield key, [json.loads(value) for _, value in group]


def _remove(connection: sqlite3.Connection, path: Path) -> None:
    connection.close()
    path.unlink(missing_ok=True)


def _full(error: Exception) -> SetupError:
    return SetupError(f"cannot write in {tempfile.gettempdir()}: {error}; free space there or set TMPDIR")
