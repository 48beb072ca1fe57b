"""The durable store: answers as they come, appended to a file that outlives whatever kills the run."""

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from app.errors import InputError
from app.files import dump, lock_file, sync_folder
from app.jobs.identity import KEY_BYTES, Identity, differences
from app.jobs.job import Origin, Result, Usage, restored, stored
from app.jobs.temporary import TemporaryDatabase
from app.rows import Row
from app.types import Prediction


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


VERSION = 1
SYNC_ROWS = 256
SYNC_SECONDS = 1.0


class UnreadableJournalError(InputError):
    """The first line is not that of a journal, or that of another version's."""


class Journal:
    """Answers by request key, in a file of JSON lines beside the output.

    The first line says what all answers depend on (`Identity`); each other line is a key and an answer. A
    line is handed to the operating system at once, so that it outlives this process, and lines are forced to
    the disk in groups of `SYNC_ROWS` or every `SYNC_SECONDS`, so that they outlive the machine's power. The
    file stays locked until it is closed: one run at a time.

    Only an index of keys is held outside the file, and that on disk too: memory does not grow with the rows.
    """

    def __init__(
        self,
        file: BinaryIO,
        path: Path | None,
        *,
        overwrite: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take over an open, locked file; see `open` and `temporary`."""
        self._file = file
        self._path = path
        self._overwrite = overwrite
        self._clock = clock
        self._index = KeyIndex()
        self.identity: dict[str, str] = {}
        """What the answers depend on; empty for a new journal."""
        self._unsynced = 0
        self._synced_at = clock()
        self.found = 0
        """Answers that were there when the journal was opened."""
        self.dropped = 0
        """Lines that could not be read; their rows are asked again."""
        self.finished = False
        """Whether the run came to its end with nothing added since; see `finish`."""
        self._load()

    @classmethod
    def open(cls, path: Path, *, overwrite: bool = False, clock: Callable[[], float] = time.monotonic) -> Self:
        """Open or create a journal, lock it and mend its end.

        `overwrite` lets `begin` drop what is there, whatever it is. Not what an unfinished run with an equal
        identity left: the same command, given again by a scheduler, must come to its end.

        Raises:
            InputError: another run holds it, or the file system refuses.
            UnreadableJournalError: it is no journal, and `overwrite` does not allow for that.
        """
        try:
            file = lock_file(path)
        except BlockingIOError as error:
            raise InputError(f"another run holds {path}: wait for it, or name another output") from error
        except OSError as error:
            raise InputError(f"cannot open {path}: {error.strerror}; name an output elsewhere") from error
        try:
            return cls(file, path, overwrite=overwrite, clock=clock)
        except InputError:
            file.close()
            raise

    @classmethod
    def temporary(cls) -> Self:
        """A journal that nobody can continue, for output that goes into a pipe."""
        return cls(tempfile.TemporaryFile("w+b", buffering=0), None)  # closed by `close`

    def claim(self, identity: Identity) -> None:
        """Make sure that what is stored depends on the same, or may be overwritten.

        Names that are not known yet may be left out at first and claimed later.

        Raises:
            InputError: the journal was made with something else; every difference is named.
        """
        different = differences(self.identity, identity)
        if different and not self._overwrite:
            raise InputError(
                f"{self._path} was made with other settings: {'; '.join(different)}. "
                "Add --overwrite to start afresh, or name another output"
            )

    def begin(self, identity: Identity) -> None:
        """Claim, drop what is to be overwritten, and write the first line of a new journal.

        Raises:
            InputError: as `claim`, or the disk refuses.
        """
        self.claim(identity)
        if self._overwrite and (self.finished or differences(self.identity, identity) or not self.identity):
            self._drop()
        if not self.identity:
            self.identity = dict(identity)
            self._append({"journal": "shopbench", "version": VERSION, "run": self.identity})
            self.sync()
            if self._path is not None:
                sync_folder(self._path.parent)

    def find(self, key: bytes, row: Row) -> Result | None:
        """The stored answer to a request, for the row that asks."""
        offset = self._index.find(key)
        if offset is None:
            return None
        origin = Origin.RESUMED if offset < self._opened_at else Origin.REPEATED
        return restored(json.loads(self._line_at(offset)), row, origin)

    def add(self, key: bytes, prediction: Prediction, usage: Usage) -> None:
        """Store an answer. It outlives the process from here on.

        Raises:
            InputError: the disk is full, or refuses otherwise.
        """
        offset = self._append({"key": key.hex()} | stored(prediction, usage))
        self._index.add(key, offset)
        self.finished = False
        self._unsynced += 1
        if self._unsynced >= SYNC_ROWS:
            self.sync()
        self.sync_if_due()

    def sync_if_due(self) -> None:
        """Force answers to the disk that may have waited for `SYNC_SECONDS`; cheap enough to be called at every step.

        Raises:
            InputError: the disk refuses.
        """
        if self._unsynced and self._clock() - self._synced_at >= SYNC_SECONDS:
            self.sync()

    def finish(self) -> None:
        """Note that the run came to its end.

        Raises:
            InputError: the disk is full, or refuses otherwise.
        """
        if not self.finished:
            self._append(FINISHED)
            self.finished = True

    def sync(self) -> None:
        """Force what was added to the disk.

        Raises:
            InputError: the disk refuses.
        """
        if self._path is not None:
            try:
                os.fsync(self._file.fileno())
            except OSError as error:
                raise self._unwritable(error) from error
        self._unsynced = 0
        self._synced_at = self._clock()

    def close(self) -> None:
        """Force everything to the disk and let other runs in. A journal without a line vanishes."""
        if not self._file.closed:
            self.sync()
            if self._path is not None and os.fstat(self._file.fileno()).st_size == 0:
                self._path.unlink(missing_ok=True)
            self._file.close()
            self._index.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _drop(self) -> None:
        self._index.close()
        self._index = KeyIndex()
        self._file.truncate(0)
        self._end = self._opened_at = self.found = self.dropped = 0
        self.identity, self.finished = {}, False

    def _append(self, value: dict[str, Any]) -> int:
        line = dump(value).encode() + b"\n"
        offset = self._end
        try:
            written = os.write(self._file.fileno(), line)
            while written < len(line):
                written += os.write(self._file.fileno(), line[written:])
        except OSError as error:
            raise self._unwritable(error) from error
        self._end += len(line)
        return offset

    def _line_at(self, offset: int) -> bytes:
        chunks = b""
        while b"\n" not in chunks:
            more = os.pread(self._file.fileno(), LINE_BYTES, offset + len(chunks))
            if not more:
                raise InputError(f"{self._path} became shorter while it was used: give the same command again")
            chunks += more
        return chunks.split(b"\n", 1)[0]

    def _load(self) -> None:
        self._end = self._opened_at = 0
        try:
            self._read()
        except InputError:
            if not self._overwrite:
                raise
            return
        self._file.truncate(self._end)
        self._opened_at = self._end
        self.found = len(self._index)

    def _read(self) -> None:
        with os.fdopen(os.dup(self._file.fileno()), "rb") as file:
            file.seek(0)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._take(line)
                self._end += len(line)
            if not self.identity and file.tell() > 0 and not _is_torn_header(file):
                raise self._no_journal()

    def _take(self, line: bytes) -> None:
        """Index one whole line."""
        value = _parse(line)
        if not self.identity:
            if value.get("journal") != "shopbench" or value.get("version") != VERSION:
                raise self._no_journal()
            self.identity = dict(value["run"])
            return
        self.finished = value == FINISHED
        if self.finished:
            return
        key = _key(value)
        if key is None:
            self.dropped += 1
        else:
            self._index.add(key, self._end)

    def _unwritable(self, error: OSError) -> InputError:
        where = self._path or "to the temporary folder"
        return InputError(f"cannot write {where}: {error.strerror}; make room and give the same command again")

    def _no_journal(self) -> UnreadableJournalError:
        return UnreadableJournalError(
            f"{self._path} is not a journal of this version: move it away, or add --overwrite"
        )


LINE_BYTES = 4096
FINISHED = {"finished": True}
"""The line that says so."""
_HEADER_START = b'{"journal": "shopbench"'


def _parse(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _key(value: dict[str, Any]) -> bytes | None:
    """The key of a stored answer that can be restored, or None."""
    try:
        restored(value, Row(0, ""), Origin.RESUMED)
        key = bytes.fromhex(value["key"])
    except (KeyError, TypeError, ValueError):
        return None
    return key if len(key) == KEY_BYTES else None


def _is_torn_header(file: BinaryIO) -> bool:
    file.seek(0)
    start = file.read(len(_HEADER_START))
    return _HEADER_START.startswith(start)


def keys_of(path: Path) -> Iterator[str]:
    """The keys of a journal's whole lines, as they stand, for tests and for looking."""
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n") and "key" in (value := _parse(line)):
                yield value["key"]


def journal_path(target: Path) -> Path:
    """Where the journal of an output lies: `answers.jsonl` -> `answers.jsonl.journal`."""
    return target.with_name(target.name + ".journal")


def store_path(target: Path) -> Path:
    """Where the store of an output lies, of a run on Ray: `answers.jsonl` -> `answers.jsonl.ray`."""
    return target.with_name(target.name + ".ray")


def partial_path(target: Path) -> Path:
    """Where an output lies until it is whole: `answers.jsonl` -> `answers.jsonl.part`."""
    return target.with_name(target.name + ".part")
