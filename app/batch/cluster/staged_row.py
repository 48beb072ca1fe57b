"""A row as it travels to the machine that answers it, and the name that its answer has there."""

import hashlib
from dataclasses import replace

from pydantic import TypeAdapter

from app.batch.request_key import KEY_BYTES
from app.jsonl import Row

_ROWS = TypeAdapter(Row)


def pack(row: Row) -> bytes:
    """The question or conversation as JSON, without what makes one row differ from another that asks the same."""
    question = None if row.question is None else replace(row.question, id="")
    return _ROWS.dump_json(replace(row, number=0, id="", question=question))


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
