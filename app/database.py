"""A SQLite database that one process holds: how it is opened, locked and checked, and how its faults are told."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

CACHE_KIB = 2048


class DamagedError(OSError):
    """The file is no database of this kind, or is not whole."""


class Database:
    """One file, held by this process until it is closed. Threads take turns.

    A transaction is whole or not at all, whatever kills the process, and outlives the process when its block has
    ended. It outlives a loss of power too once it was forced to the disk: at once where all are `forced`, otherwise
    by the next `force`. What the disk refuses is an OSError, from every method.
    """

    def __init__(
        self, path: Path | None, schema: Sequence[str], *, forced: bool, kind: int = 0, checked: bool = False
    ) -> None:
        """Open or create a database, lock it and make its tables.

        SQLite's own lock is taken for good: children do not inherit it, so that a worker which outlives its killed
        parent keeps nobody out. It also spares the shared memory that network file systems lack.

        Args:
            path: the file; None is one that vanishes with the process and may be larger than memory.
            schema: statements that make what is not there yet.
            forced: whether each transaction is forced to the disk.
            kind: a number that marks such a file, another than 0 where files of other kinds are to be refused.
            checked: whether to read all of it, so that damage shows now and not when its place is used.

        Raises:
            BlockingIOError: another process holds it, or another object of this one.
            DamagedError: it is no such database.
        """
        self._lock = threading.Lock()
        self._connection = _connect(path)
        try:
            with self.transaction() as connection:
                _set_up(connection, path, forced=forced, kind=kind, checked=checked)
                for statement in schema:
                    connection.execute(statement)
        except BaseException:  # an interruption too must leave no lock behind
            self._connection.close()
            raise

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One at a time; undone where the block raises."""
        try:
            with self._lock, self._connection:
                yield self._connection
        except sqlite3.DatabaseError as error:
            # Its other kinds are faults of this program, such as a statement that breaks a constraint.
            if type(error) not in (sqlite3.OperationalError, sqlite3.DatabaseError):
                raise
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise BlockingIOError(str(error)) from error
            if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                raise DamagedError(str(error)) from error
            raise OSError(str(error)) from error

    def force(self) -> None:
        """Force all transactions to the disk."""
        with self.transaction() as connection:
            connection.execute("PRAGMA wal_checkpoint").fetchall()

    def close(self) -> None:
        """Let others in. What was written is in the one file then, and on the disk. Safe to call twice."""
        with self._lock:
            self._connection.close()


def database_paths(path: Path) -> list[Path]:
    """The file, and what SQLite keeps beside it at times."""
    return [path.with_name(path.name + suffix) for suffix in ("", "-wal", "-shm")]


def remove_database(path: Path) -> None:
    """Delete a database that nobody holds, or this process."""
    for one in database_paths(path):
        one.unlink(missing_ok=True)


def _connect(path: Path | None) -> sqlite3.Connection:
    if path is not None:
        path.touch(0o644)  # tells why a file cannot be made, which SQLite does not
        if not path.is_file():
            raise DamagedError("it is no plain file")
    try:
        return sqlite3.connect(path or "", timeout=0, check_same_thread=False)
    except sqlite3.Error as error:
        raise OSError(str(error)) from error


def _set_up(connection: sqlite3.Connection, path: Path | None, *, forced: bool, kind: int, checked: bool) -> None:
    # First of all: what reads the file before would want shared memory.
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    if path is None:
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        return
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {'FULL' if forced else 'NORMAL'}")
    if not forced:
        connection.execute("PRAGMA wal_autocheckpoint = 0")  # when `force` says so
    if not connection.execute("SELECT 1 FROM sqlite_schema").fetchone():
        connection.execute(f"PRAGMA application_id = {kind}")
    if connection.execute("PRAGMA application_id").fetchone() != (kind,):
        raise DamagedError("it is a database of another kind")
    if checked and connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
        raise DamagedError("it is damaged")
