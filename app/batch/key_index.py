"""Where the answer to a request stands in the journal."""

from app.batch.temporary_database import TemporaryDatabase


class KeyIndex:
    """Key -> offset, on disk: a dictionary of a hundred million keys would not fit in memory.

    All methods raise InputError where the temporary folder is full.
    """

    def __init__(self) -> None:
        """Make an empty index."""
        self._database = TemporaryDatabase(
            "CREATE TABLE answers (key BLOB PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID"
        )
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, key: bytes, position: int) -> None:
        """Remember a key; the first position stays."""
        self._count += self._database.execute("INSERT OR IGNORE INTO answers VALUES (?, ?)", (key, position))

    def find(self, key: bytes) -> int | None:
        """The position of a key, in bytes."""
        found = self._database.find("SELECT position FROM answers WHERE key = ?", (key,))
        return None if found is None else int(found[0])

    def close(self) -> None:
        """Give the disk space back."""
        self._database.close()
