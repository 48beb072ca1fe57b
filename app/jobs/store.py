"""The durable store: answers by their keys, in a file that outlives whatever kills the run."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from app.database import DamagedError, Database, remove_database
from app.errors import InputError
from app.files import dump, sync_folder
from app.jobs.identity import Identity, differences, identity_digest
from app.jobs.job import Origin, Result, Usage
from app.rows import Row, rounded
from app.types import Outcome, Prediction, TaskType

KIND = 0x53424A02
"""What SQLite's header says such a file is, with the version of its form."""
SCHEMA = (
    "CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS answers "
    "(number INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, holds TEXT NOT NULL, answer TEXT NOT NULL)",
)
SYNC_ROWS = 1024
SYNC_SECONDS = 1.0
PREDICTION, REPLY = "prediction", "reply"
_EARLIER_FORM = b'{"journal": "shopbench"'


class UnreadableStoreError(InputError):
    """The file is no store of this version, or a damaged one."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What an HTTP endpoint would have sent."""

    status: int
    body: dict[str, Any]


class Store:
    """Answers by key, each a prediction or an HTTP reply, beside what all of them depend on (`Identity`).

    An answer outlives this process when `add` returns, and the machine's power when `sync` does, which happens every
    `SYNC_ROWS` answers and, where `sync_if_due` is called often, every `SYNC_SECONDS`. The file is held until it is
    closed: one run at a time. Memory does not grow with the answers. See `docs/decisions/0005-one-store.md`.
    """

    def __init__(
        self, path: Path | None, *, overwrite: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Open or create a store. Without a path it is one that nobody can continue, for output into a pipe.

        `overwrite` lets `begin` drop what is there, whatever it is. Not what an unfinished run with an equal
        identity left: the same command, given again by a scheduler, must come to its end.

        Raises:
            InputError: another run holds it, or the file system refuses.
            UnreadableStoreError: it is no store, and `overwrite` does not allow for that.
        """
        self._path = path
        self._overwrite = overwrite
        self._clock = clock
        self._unsynced = 0
        self._synced_at = clock()
        self._database: Database | None = None
        self.identity: dict[str, str] = {}
        """What the answers depend on; empty for a new store."""
        self.found = 0
        """Answers that were there when the store was opened."""
        self.finished = False
        """Whether the run came to its end with nothing added since; see `finish`."""
        try:
            self._open()
        except UnreadableStoreError:
            if not overwrite:
                self._release()
                raise

    @property
    def digest(self) -> bytes:
        """The beginning of all keys, see `app/jobs/identity.py`."""
        return identity_digest(self.identity)

    def claim(self, identity: Identity) -> None:
        """Make sure that what is stored depends on the same, or may be overwritten.

        Names that are not known yet may be left out at first and claimed later.

        Raises:
            InputError: the store was made with something else; every difference is named.
        """
        different = differences(self.identity, identity)
        if different and not self._overwrite:
            raise InputError(
                f"{self._path} was made with other settings: {'; '.join(different)}. "
                "Add --overwrite to start afresh, or name another output"
            )

    def begin(self, identity: Identity) -> None:
        """Claim, drop what is to be overwritten, and write down the identity of a new store.

        Raises:
            InputError: as `claim`, or the disk refuses.
        """
        self.claim(identity)
        other = self.finished or differences(self.identity, identity) or not self.identity
        if self._overwrite and other and self._path is not None:
            self._release()
            remove_database(self._path)
            self._open()
        if not self.identity:
            self.identity = dict(identity)
            self.write_note("identity", self.identity)
            if self._path is not None:
                with self._explained():
                    sync_folder(self._path.parent)

    def find(self, key: bytes, row: Row) -> Result | None:
        """The stored prediction for a request, for the row that asks."""
        found = self._find(key, PREDICTION)
        if found is None:
            return None
        number, answer = found
        return restored(answer, row, Origin.RESUMED if number <= self.found else Origin.REPEATED)

    def find_reply(self, key: bytes) -> Reply | None:
        """The stored reply to a request."""
        found = self._find(key, REPLY)
        return None if found is None else Reply(**found[1])

    def add(self, key: bytes, prediction: Prediction, usage: Usage) -> None:
        """Store a prediction. It outlives the process from here on.

        Raises:
            InputError: the disk is full, or refuses otherwise.
        """
        self._add(key, PREDICTION, stored(prediction, usage))

    def add_reply(self, key: bytes, reply: Reply) -> None:
        """As `add`, for a reply."""
        self._add(key, REPLY, {"status": reply.status, "body": reply.body})

    def sync_if_due(self) -> None:
        """Force to the disk what may have waited for `SYNC_SECONDS`; cheap enough to be called at every step."""
        if self._unsynced and self._clock() - self._synced_at >= SYNC_SECONDS:
            self.sync()

    def sync(self) -> None:
        """Force what was added to the disk. Errors as `add`, here and in what notes something."""
        with self._explained() as database:
            database.force()
        self._unsynced = 0
        self._synced_at = self._clock()

    def finish(self) -> None:
        """Note that the run came to its end."""
        self.write_note("finished", True)
        self.finished = True

    def note(self, name: str) -> Any:  # noqa: ANN401  # any JSON value
        """What was noted beside the answers, or None."""
        with self._explained() as database, database.transaction() as connection:
            found = connection.execute("SELECT value FROM notes WHERE name = ?", (name,)).fetchone()
        return None if found is None else json.loads(found[0])

    def write_note(self, name: str, value: object) -> None:
        """Note a JSON value. It is on the disk when the call returns, with all that was added before."""
        with self._explained() as database, database.transaction() as connection:
            connection.execute("REPLACE INTO notes VALUES (?, ?)", (name, json.dumps(value)))
        self.sync()

    def close(self) -> None:
        """Force everything to the disk and let other runs in. A store that never began vanishes. Safe to call twice."""
        if self._database is not None and self._path is not None and not self.identity:
            remove_database(self._path)
        self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self) -> None:
        try:
            self._database = Database(self._path, SCHEMA, forced=False, kind=KIND)
            with self._database.transaction() as connection:
                (self.found,) = connection.execute("SELECT COALESCE(MAX(number), 0) FROM answers").fetchone()
        except BlockingIOError as error:
            raise InputError(f"another run holds {self._path}: wait for it, or name another output") from error
        except DamagedError as error:
            raise self._unreadable() from error
        except OSError as error:
            raise InputError(
                f"cannot open {self._path}: {error.strerror or error}; name an output elsewhere"
            ) from error
        self.identity, self.finished = self.note("identity") or {}, bool(self.note("finished"))

    def _release(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    def _find(self, key: bytes, holds: str) -> tuple[int, dict[str, Any]] | None:
        with self._explained() as database, database.transaction() as connection:
            found = connection.execute(
                "SELECT number, answer FROM answers WHERE key = ? AND holds = ?", (key, holds)
            ).fetchone()
        return None if found is None else (found[0], json.loads(found[1]))

    def _add(self, key: bytes, holds: str, answer: dict[str, Any]) -> None:
        if self.finished:
            self.write_note("finished", False)
            self.finished = False
        with self._explained() as database, database.transaction() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO answers (key, holds, answer) VALUES (?, ?, ?)", (key, holds, dump(answer))
            )
        self._unsynced += 1
        if self._unsynced >= SYNC_ROWS:
            self.sync()
        self.sync_if_due()

    @contextmanager
    def _explained(self) -> Iterator[Database]:
        """The open database; what the disk refuses becomes one line."""
        if self._database is None:
            raise ValueError("the store is closed, or has not begun")
        try:
            yield self._database
        except DamagedError as error:
            raise self._unreadable() from error
        except OSError as error:
            where = self._path or "to the temporary folder (SQLITE_TMPDIR names another)"
            raise InputError(f"cannot write {where}: {error}; make room and give the same command again") from error

    def _unreadable(self) -> UnreadableStoreError:
        what = "is damaged, or no store of answers of this version"
        if self._path is not None and _begins_with(self._path, _EARLIER_FORM):
            what = "is a journal of an earlier version, in JSON lines: finish that run with the version that began it"
            return UnreadableStoreError(f"{self._path} {what}, move the file away, or add --overwrite")
        return UnreadableStoreError(f"{self._path} {what}: move it away, or add --overwrite")


def stored(prediction: Prediction, usage: Usage) -> dict[str, Any]:
    """An answer as a JSON object, without the identity of the row that asked and without times."""
    prediction = rounded(prediction)
    return {
        "task_type": prediction.task_type,
        "answer": prediction.answer,
        "outcome": prediction.outcome,
        "raw": prediction.raw if prediction.raw != prediction.answer else None,
        "label_probs": dict(prediction.label_probs) if prediction.label_probs is not None else None,
        "label_mass": prediction.label_mass,
        "usage": [usage.prompt_tokens, usage.output_tokens, usage.finish_reason, usage.logprobs],
    }


def restored(answer: dict[str, Any], row: Row, origin: Origin) -> Result:
    """The inverse of `stored`, for the row that asks now."""
    task_type = answer["task_type"]
    prediction = Prediction(
        row.answer_id,
        TaskType(task_type) if task_type is not None else None,
        answer["answer"],
        Outcome(answer["outcome"]),
        raw=answer["answer"] if answer["raw"] is None else answer["raw"],
        label_probs=answer["label_probs"],
        label_mass=answer["label_mass"],
    )
    return Result(row, prediction, origin, Usage(*answer["usage"]))


def _begins_with(path: Path, start: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(start)) == start


def journal_path(target: Path) -> Path:
    """Where the store of an output lies: `answers.jsonl` -> `answers.jsonl.journal`."""
    return target.with_name(target.name + ".journal")
