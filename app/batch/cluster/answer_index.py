"""The answers of a run by key, on disk for as long as the process lives: they come in any order."""

import json
from collections.abc import Iterable
from typing import Any

from app.batch.cluster.staged_row import row_id
from app.batch.result import Origin, Result, restored
from app.batch.temporary_database import TemporaryDatabase
from app.errors import EngineError
from app.jsonl import Row


class AnswerIndex:
    """Finds the answer to a row. Answers of the `life` that is told were asked in this run, others before."""

    def __init__(self, answers: Iterable[dict[str, Any]], life: int) -> None:
        """Take in answers as `app.batch.cluster.replica` writes them.

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
