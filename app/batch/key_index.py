"""Where the answer to a request stands in the journal."""

import sqlite3


class KeyIndex:
    """Key -> offset, on disk: a dictionary of a hundred million keys would not fit in memory.

    SQLite keeps a database without a name in a file of its own that vanishes with the process
    (https://www.sqlite.org/inmemorydb.html, "Temporary Databases").
    """

    def __init__(self) -> None:
        """Make an empty index."""
        self._database = sqlite3.connect("", isolation_level=None)
        # Nothing here has to survive: the journal is what is kept, and the index is made from it.
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        self._database.execute("CREATE TABLE answers (key BLOB PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID")
        self._database.execute("BEGIN")
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, key: bytes, position: int) -> None:
        """Remember a key; the first position stays."""
        cursor = self._database.execute("INSERT OR IGNORE INTO answers VALUES (?, ?)", (key, position))
        self._count += cursor.rowcount

    def find(self, key: bytes) -> int | None:
        """The position of a key, in bytes."""
        found = self._database.execute("SELECT position FROM answers WHERE key = ?", (key,)).fetchone()
        return None if found is None else int(found[0])

    def close(self) -> None:
        """Give the disk space back."""
        self._database.close()


CACHE_KIB = 2048
