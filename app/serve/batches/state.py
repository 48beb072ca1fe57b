"""What there is of files and batches, by id and owner, in a database that outlives the server."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO, Literal

from openai.types import Batch, BatchError, BatchRequestCounts

from app.database import DamagedError, Database
from app.errors import SetupError
from app.files import whole_file

Document = dict[str, Any]
Order = Literal["asc", "desc"]


class Kind(StrEnum):
    """The kinds of things that are kept."""

    FILE = "file"
    BATCH = "batch"


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing: its document as the interface shows it, and who may see it."""

    kind: Kind
    id: str
    owner: str
    document: Document


_TABLE = """
CREATE TABLE IF NOT EXISTS entries (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    owner TEXT NOT NULL,
    purpose TEXT,
    expires_at INTEGER,
    document TEXT NOT NULL
)
"""
_BEYOND: dict[Order, str] = {
    "asc": "number > (SELECT number FROM entries WHERE id = ?)",
    "desc": "number < (SELECT number FROM entries WHERE id = ?)",
}
_PUT = """
INSERT INTO entries (id, kind, owner, purpose, expires_at, document)
VALUES (:id, :kind, :owner, :purpose, :expires_at, :document)
ON CONFLICT (id) DO UPDATE SET document = :document, expires_at = :expires_at
"""
_COLUMNS = "kind, id, owner, document"


class State:
    """SQLite in a folder that one server at a time holds. A change is on the disk when the call returns.

    What the disk refuses is an OSError, from every method.
    """

    def __init__(self, folder: Path, now: Callable[[], float] = time.time) -> None:
        """Open or create the database.

        Raises:
            SetupError: the folder cannot be written, another server holds it, or what is there is no such database.
        """
        path = folder / "state.sqlite3"
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._database = Database(path, (_TABLE,), forced=True, checked=True)
        except BlockingIOError as error:
            raise SetupError(
                f"another server keeps its files and batches in {folder}: "
                "set server_settings.data_dir to another folder"
            ) from error
        except DamagedError as error:
            # The whole folder: a start with an empty database deletes the contents that it does not know.
            raise SetupError(
                f"cannot use {path}, the database of files and batches: {error}; move its whole folder away to begin "
                "anew, or set server_settings.data_dir to another folder"
            ) from error
        except OSError as error:
            raise SetupError(
                f"cannot keep files and batches in {folder}: {error.strerror or error}; set server_settings.data_dir "
                "to a folder that can be written, or to null to do without"
            ) from error
        self._now = now

    def put(self, *entries: Entry) -> None:
        """Add or change things, all of them or none."""
        rows = [
            {
                "id": entry.id,
                "kind": entry.kind,
                "owner": entry.owner,
                "purpose": entry.document.get("purpose"),
                "expires_at": entry.document.get("expires_at") if entry.kind is Kind.FILE else None,
                "document": json.dumps(entry.document),
            }
            for entry in entries
        ]
        with self._database.transaction() as database:
            database.executemany(_PUT, rows)

    def find(self, kind: Kind, name: str, owner: str) -> Entry | None:
        """One thing of this owner, unless its time is over."""
        found = self._rows(
            "kind = ? AND id = ? AND owner = ? AND (expires_at IS NULL OR expires_at > ?)",
            (kind, name, owner, self._now()),
        )
        return found[0] if found else None

    def page(
        self, kind: Kind, owner: str, after: Entry | None, limit: int, order: Order = "desc", purpose: str | None = None
    ) -> tuple[list[Entry], bool]:
        """Up to `limit` things of this owner, by time of creation, that come after one; and whether there are more."""
        where = "kind = ? AND owner = ? AND (expires_at IS NULL OR expires_at > ?)"
        values: list[object] = [kind, owner, self._now()]
        if purpose is not None:
            where += " AND purpose = ?"
            values.append(purpose)
        if after is not None:
            where += f" AND {_BEYOND[order]}"
            values.append(after.id)
        found = self._rows(f"{where} ORDER BY number {order} LIMIT ?", (*values, limit + 1))
        return found[:limit], len(found) > limit

    def every(self, kind: Kind) -> list[Entry]:
        """All things of a kind, the oldest first."""
        return self._rows("kind = ? ORDER BY number", (kind,))

    def outdated(self) -> list[Entry]:
        """Files whose time is over."""
        return self._rows("expires_at <= ?", (self._now(),))

    def stored_bytes(self, owner: str) -> int:
        """The size of an owner's files in all."""
        query = "SELECT COALESCE(SUM(json_extract(document, '$.bytes')), 0) FROM entries WHERE kind = ? AND owner = ?"
        with self._database.transaction() as database:
            return int(database.execute(query, (Kind.FILE, owner)).fetchone()[0])

    def remove(self, name: str) -> None:
        """Forget one thing."""
        with self._database.transaction() as database:
            database.execute("DELETE FROM entries WHERE id = ?", (name,))

    def close(self) -> None:
        """Let another server in."""
        self._database.close()

    def _rows(self, where: str, values: Sequence[object]) -> list[Entry]:
        with self._database.transaction() as database:
            # `where` is put together from constants above.
            rows = database.execute(f"SELECT {_COLUMNS} FROM entries WHERE {where}", values).fetchall()  # noqa: S608  # ours
        return [Entry(Kind(kind), name, owner, json.loads(document)) for kind, name, owner, document in rows]


def write_content(path: Path) -> AbstractContextManager[BinaryIO]:
    """An open file that takes its place when the block ends well, on the disk by then; otherwise an OSError."""
    return whole_file(path, partial=path.with_name(f"{path.name}.part"), told=None)


def keep_only(folder: Path, wanted: Callable[[str], bool]) -> None:
    """Delete the files of a folder that nobody knows by name: what a process has left that did not end well."""
    for path in folder.iterdir():
        if not wanted(path.name):
            path.unlink()


OK = 200
ENDED = frozenset({"completed", "failed", "expired", "cancelled"})


class Record:
    """The document of one batch, one change at a time.

    Where the disk is full, or refuses otherwise, a change is an OSError, and nothing has changed.
    """

    def __init__(self, entry: Entry, put: Callable[..., Awaitable[None]]) -> None:
        """Go on from `entry`; `put` enters several at once."""
        self.owner = entry.owner
        self.document = Batch.model_validate(entry.document)
        self._put = put
        self._changing = asyncio.Lock()

    @property
    def ended(self) -> bool:
        """Whether there is nothing left to do."""
        return self.document.status in ENDED

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked for it, at whatever status."""
        return self.document.cancelling_at is not None

    @property
    def total(self) -> int:
        """Lines in all; 0 until they have been counted."""
        return self.document.request_counts.total if self.document.request_counts else 0

    async def cancel(self) -> bool:
        """Note that nothing more is wanted; False where the batch is at its end already."""
        async with self._changing:
            # Only here: the end may have been on its way to the disk before.
            if self.ended:
                return False
            if not self.cancelled:
                await self._write({"status": "cancelling", "cancelling_at": _now()})
            return True

    async def advance(self, status: str, **changes: object) -> None:
        """Go on to a status; a batch that is being cancelled keeps saying so."""
        async with self._changing:
            step = {} if self.cancelled else {"status": status, f"{status}_at": _now()}
            await self._write(step | changes)

    async def end(self, status: str, *files: Entry, **changes: object) -> None:
        """Enter the end and the files that the batch leaves, all at once."""
        async with self._changing:
            await self._write({"status": status, f"{status}_at": _now(), **changes}, *files)

    async def fail(self, errors: list[BatchError], *files: Entry, **changes: object) -> None:
        """End as `failed`, and say why."""
        found = {"object": "list", "data": [error.model_dump() for error in errors]}
        await self.end("failed", *files, errors=found, **changes)

    def recount(self) -> None:
        """Count replies from none again. Counts are not entered before the end: the store knows them."""
        counts = BatchRequestCounts(total=self.total, completed=0, failed=0)
        self.document = self.document.model_copy(update={"request_counts": counts})

    def count(self, status: int) -> None:
        """One more reply with this HTTP status."""
        if (counts := self.document.request_counts) is not None:
            name = "completed" if status == OK else "failed"
            counts = counts.model_copy(update={name: getattr(counts, name) + 1})
            self.document = self.document.model_copy(update={"request_counts": counts})

    async def _write(self, changes: dict[str, Any], *files: Entry) -> None:
        document = Batch.model_validate(self.document.model_dump(mode="json") | changes)
        await self._put(*files, Entry(Kind.BATCH, document.id, self.owner, document.model_dump(mode="json")))
        # Answers went on coming meanwhile.
        counts = {} if "request_counts" in changes else {"request_counts": self.document.request_counts}
        self.document = document.model_copy(update=counts)


def _now() -> int:
    return int(time.time())
