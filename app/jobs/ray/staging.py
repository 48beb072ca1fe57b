"""The input as Ray Data reads it: Parquet files of questions, each different question once."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import TypeAdapter

from app.errors import InputError
from app.jobs.identity import KEY_BYTES
from app.jobs.journal import KeyIndex
from app.rows import Row

_ROWS = TypeAdapter(Row)


def pack(row: Row) -> bytes:
    """The question or conversation as JSON, without what makes one row differ from another that asks the same."""
    question = None if row.question is None else replace(row.question, id="")
    return _ROWS.dump_json(replace(row, number=0, id="", question=question, parts=None))


def unpack(packed: bytes, number: int) -> Row:
    """The inverse of `pack`, with the number that the row has where it is answered."""
    return replace(_ROWS.validate_json(packed), number=number)


def row_key(run: bytes, packed: bytes) -> bytes:
    """The key of a row's answer, 16 bytes: the run's digest and all that the row asks."""
    return hashlib.blake2b(run + packed, digest_size=KEY_BYTES).digest()


def row_id(key: bytes) -> int:
    """The key's beginning as Ray Data's checkpoint has it: eight bytes a row, since it holds them all in memory.

    Two different rows share it once in 10^5 jobs of 20 million rows; the whole key stands beside each answer.
    """
    return int.from_bytes(key[:8], "big", signed=True)


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
