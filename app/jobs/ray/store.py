"""What a run on Ray keeps beside its output to go on from: identity, questions, answers, Ray Data's checkpoint."""

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Literal, Self

import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from app.errors import EngineError, InputError
from app.files import lock_file
from app.jobs.identity import Identity, differences
from app.jobs.job import Origin, Result, restored
from app.jobs.ray.staging import row_id
from app.jobs.temporary import TemporaryDatabase
from app.rows import Row

VERSION: Literal[1] = 1
LOCK = "lock"
PENDING = ".pending.parquet"
"""What Ray Data's checkpoint adds to the name of a file of answers that is not whole yet."""


class _Header(BaseModel):
    """The content of `run.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    store: Literal["shopbench"]
    version: Literal[1]
    lives: int
    finished: bool = False
    run: dict[str, str]


class Store:
    """A folder that one run holds at a time and that every machine of the cluster sees.

    `run.json` says what all answers depend on, as the first line of a journal does; `questions/` is written
    anew by each run; `answers/` and `checkpoint/` belong to Ray Data, which adds to them only.
    """

    def __init__(self, folder: Path, lock: BinaryIO, *, overwrite: bool = False) -> None:
        """Take over an open, locked folder; see `open`."""
        self.folder = folder
        self._lock = lock
        self._overwrite = overwrite
        self.identity: dict[str, str] = {}
        self.lives = 0
        """Runs that worked on this store, this one included once it has begun."""
        self._finished = False
        self._load()

    @classmethod
    def open(cls, folder: Path, *, overwrite: bool = False) -> Self:
        """Open or create a store and lock it. `overwrite` is as for `app.jobs.journal.Journal.open`.

        Raises:
            InputError: another run holds it, it is no store, or the file system refuses.
        """
        try:
            folder.mkdir(exist_ok=True)
            lock = lock_file(folder / LOCK)
        except BlockingIOError as error:
            raise InputError(f"another run holds {folder}: wait for it, or name another output") from error
        except OSError as error:
            raise InputError(f"cannot open {folder}: {error.strerror}; name an output elsewhere") from error
        try:
            return cls(folder, lock, overwrite=overwrite)
        except InputError:
            lock.close()
            raise

    @property
    def questions(self) -> Path:
        """Parquet files of this run's questions."""
        return self.folder / "questions"

    @property
    def answers(self) -> Path:
        """Parquet files of answers, of this run and of earlier ones."""
        return self.folder / "answers"

    @property
    def checkpoint(self) -> Path:
        """Ray Data's list of what was answered."""
        return self.folder / "checkpoint"

    def claim(self, identity: Identity) -> None:
        """Make sure that what is stored depends on the same, or may be overwritten.

        Raises:
            InputError: the store was made with something else; every difference is named.
        """
        different = differences(self.identity, identity)
        if different and not self._overwrite:
            raise InputError(
                f"{self.folder} was made with other settings: {'; '.join(different)}. "
                "Add --overwrite to start afresh, or name another output"
            )

    def begin(self, identity: Identity) -> None:
        """Claim, drop what is to be overwritten, and make room for this run's questions.

        Raises:
            InputError: as `claim`, or the disk refuses.
        """
        self.claim(identity)
        if self._overwrite and (self._finished or differences(self.identity, identity) or not self.identity):
            _empty(self.folder)
            self.identity, self.lives = {}, 0
        self._finished = False
        self.lives += 1
        self.add(identity)
        shutil.rmtree(self.questions, ignore_errors=True)
        for folder in (self.questions, self.answers):
            folder.mkdir(exist_ok=True)

    def add(self, identity: Identity) -> None:
        """Write down what else all answers depend on."""
        self.identity |= identity
        self._save()

    def finish(self) -> None:
        """Note that the run came to its end."""
        self._finished = True
        self._save()

    def answered_ids(self) -> Iterator[int]:
        """The ids of all answers that are whole."""
        for path in sorted(self.checkpoint.glob("*.parquet")):
            if not path.name.endswith(PENDING):
                yield from pq.read_table(path, columns=["id"])["id"].to_pylist()

    def stored_answers(self) -> Iterator[dict[str, Any]]:
        """The rows of all files of answers that are whole, file by file."""
        torn = tuple(path.name.removesuffix(PENDING) for path in self.checkpoint.glob(f"*{PENDING}"))
        for path in sorted(self.answers.rglob("*.parquet")):
            if not (torn and path.name.startswith(torn)):
                yield from pq.read_table(path).to_pylist()

    def close(self) -> None:
        """Let other runs in. The questions can be made again from the input. A store that never began vanishes."""
        if not self._lock.closed:
            shutil.rmtree(self.questions, ignore_errors=True)
            if [path.name for path in self.folder.iterdir()] == [LOCK]:
                shutil.rmtree(self.folder, ignore_errors=True)
            self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _header(self) -> Path:
        return self.folder / "run.json"

    def _load(self) -> None:
        if not self._header.exists():
            return
        try:
            header = _Header.model_validate_json(self._header.read_bytes())
        except ValidationError as error:
            if self._overwrite:
                return
            raise InputError(
                f"{self.folder} is not a store of this version: move it away, or add --overwrite"
            ) from error
        self.identity, self.lives, self._finished = header.run, header.lives, header.finished

    def _save(self) -> None:
        header = _Header(
            store="shopbench", version=VERSION, lives=self.lives, finished=self._finished, run=self.identity
        )
        partial = self._header.with_suffix(".part")
        try:
            with partial.open("w", encoding="utf-8") as file:
                file.write(header.model_dump_json(indent=2))
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self._header)
        except OSError as error:
            raise InputError(f"cannot write {self._header}: {error.strerror}; make room, then run again") from error


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != LOCK:
            path.unlink()


class AnswerIndex:
    """Finds the answer to a row. Answers of the `life` that is told were asked in this run, others before."""

    def __init__(self, answers: Iterable[dict[str, Any]], life: int) -> None:
        """Take in answers as `app.jobs.ray.replica` writes them.

        Raises:
            InputError: the temporary folder is full.
        """
        self._life = life
        self._database = TemporaryDatabase(
            "CREATE TABLE answers (id INTEGER PRIMARY KEY, key BLOB, life INTEGER, used INTEGER, answer TEXT)"
        )
        self._database.fill(
            "INSERT OR IGNORE INTO answers VALUES (?, ?, ?, 0, ?)",
            ((answer["id"], answer["key"], answer["life"], answer["answer"]) for answer in answers),
        )

    def find(self, key: bytes, row: Row) -> Result | None:
        """The answer for a row that has this key, or None where there is none yet.

        Raises:
            EngineError: another row's key begins in the same way.
        """
        identity = row_id(key)
        answer = self._database.find("SELECT key, life, used, answer FROM answers WHERE id = ?", (identity,))
        if answer is None:
            return None
        if answer[0] != key:
            raise EngineError(f"row {row.number} and another share a short key: put it into a file of its own")
        result = restored(json.loads(answer[3]), row, self._origin(identity, answer[1], used=bool(answer[2])))
        if result.usage is None:
            result = restored(json.loads(answer[3]), row, Origin.UNASKED)
        return result

    def close(self) -> None:
        """Give the disk space back."""
        self._database.close()

    def _origin(self, identity: int, life: int, *, used: bool) -> Origin:
        if life != self._life:
            return Origin.RESUMED
        if used:
            return Origin.REPEATED
        self._database.execute("UPDATE answers SET used = 1 WHERE id = ?", (identity,))
        return Origin.ASKED
