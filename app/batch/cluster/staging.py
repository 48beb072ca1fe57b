"""The input as Ray Data reads it: Parquet files of questions, each different question once."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from app.batch.cluster.staged_row import pack, row_id, row_key
from app.batch.key_index import KeyIndex
from app.errors import InputError
from app.jsonl import Row

FILE_ROWS = 16_384
SCHEMA = pa.schema([("id", pa.int64()), ("number", pa.int64()), ("row", pa.binary())])


class Staging:
    """Writes questions to a folder and remembers which are there.

    `rows` counts all rows, `different` those that were written, `failed` those that hold no question.
    `whole` says that all were read.
    """

    def __init__(self, folder: Path, run: bytes) -> None:
        """Write into an empty folder; `run` is the digest of what all answers depend on."""
        self._folder = folder
        self._run = run
        self._index = KeyIndex()
        self._waiting: list[tuple[int, int, bytes]] = []
        self.files = 0
        self.rows = 0
        self.failed = 0
        self.whole = False

    @property
    def different(self) -> int:
        """Rows that were written."""
        return len(self._index)

    def fill(self, rows: Iterable[Row], stop: Callable[[], bool] = lambda: False) -> None:
        """Write every row that asks something, unless told to stop.

        Raises:
            InputError: the rows cannot be read on, or the disk is full.
        """
        for row in rows:
            if stop():
                return
            self.rows += 1
            if row.question is None and row.chat is None:
                self.failed += 1
                continue
            packed = pack(row)
            key = row_key(self._run, packed)
            if self._index.find(key[:8]) is None:
                self._index.add(key[:8], 0)
                self._waiting.append((row_id(key), row.number, packed))
            if len(self._waiting) >= FILE_ROWS:
                self._write()
        self._write()
        self.whole = True

    def has(self, identity: int) -> bool:
        """Whether the row with this id was written."""
        return self._index.find(identity.to_bytes(8, "big", signed=True)) is not None

    def close(self) -> None:
        """Give the index back."""
        self._index.close()

    def _write(self) -> None:
        if not self._waiting:
            return
        columns = zip(*self._waiting, strict=True)
        arrays = [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)]
        table = pa.table(arrays, schema=SCHEMA)
        try:
            pq.write_table(table, self._folder / f"{self.files:06}.parquet")
        except OSError as error:
            raise InputError(f"cannot write {self._folder}: {error}; make room, then run again") from error
        self.files += 1
        self._waiting = []
