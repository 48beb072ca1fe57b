"""A table on disk for as long as the process lives: what it holds may be larger than memory."""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from app.errors import InputError

CACHE_KIB = 2048


class TemporaryDatabase:
    """One table without a name in the file system.

    SQLite keeps a database without a name in a file of its own that vanishes with the process
    (https://www.sqlite.org/inmemorydb.html, "Temporary Databases").
    """

    def __init__(self, table: str) -> None:
        """Make an empty table, as the SQL statement says.

        Raises:
            InputError: as all methods: the temporary folder is full, or refuses otherwise.
        """
        self._database = sqlite3.connect("", isolation_level=None)
        # Nothing here has to survive: it is made from what is kept elsewhere.
        for statement in (
            "PRAGMA journal_mode = OFF",
            "PRAGMA synchronous = OFF",
            f"PRAGMA cache_size = -{CACHE_KIB}",
            table,
            "BEGIN",
        ):
            self.execute(statement)

    def execute(self, statement: str, values: Sequence[object] = ()) -> int:
        """Run a statement; the number of rows that it changed."""
        try:
            return self._database.execute(statement, values).rowcount
        except sqlite3.OperationalError as error:
            raise _no_room(error) from error

    def fill(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        """Run a statement with the values of each row."""
        try:
            self._database.executemany(statement, rows)
        except sqlite3.OperationalError as error:
            raise _no_room(error) from error

    def find(self, statement: str, values: Sequence[object] = ()) -> Any:  # noqa: ANN401  # as the table has them
        """The columns of the first row that a statement selects, or None."""
        try:
            return self._database.execute(statement, values).fetchone()
        except sqlite3.OperationalError as error:
            raise _no_room(error) from error

    def close(self) -> None:
        """Give the disk space back."""
        self._database.close()


def _no_room(error: sqlite3.OperationalError) -> InputError:
    return InputError(
        f"cannot use the temporary folder: {error}; make room there, or set SQLITE_TMPDIR to a folder with room, "
        "and give the same command again"
    )
