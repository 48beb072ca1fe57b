"""The two files that a batch ends in: replies with status 200 in one, everything else in the other."""

import json
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO

from app.batch.journal import Journal
from app.batch.request_key import identity_digest
from app.batch.result import Usage
from app.jsonl import Row, dump
from app.serving.batches.asking import OK, Reply
from app.serving.batches.contents import Contents
from app.serving.batches.lines import Line
from app.types import Outcome, Prediction

_NO_USAGE = Usage(0, 0, "stop")
"""Tokens are counted in the replies themselves."""


class Replies:
    """The durable store of a batch: the reply to each line that was answered."""

    def __init__(self, journal: Journal) -> None:
        """Use a journal that has begun."""
        self._journal = journal
        self._run = identity_digest(journal.identity)

    def add(self, line: Line, reply: Reply) -> None:
        """Store a reply. The line is not asked again from here on.

        Raises:
            InputError: the disk is full, or refuses otherwise.
        """
        text = dump({"status": reply.status, "body": reply.body})
        outcome = Outcome.CLEAN if reply.status == OK else Outcome.ERROR
        self._journal.add(line.key(self._run), Prediction(line.custom_id, None, text, outcome, raw=text), _NO_USAGE)

    def find(self, line: Line) -> Reply | None:
        """The stored reply to a line."""
        found = self._journal.find(line.key(self._run), Row(line.number, line.custom_id))
        if found is None:
            return None
        value = json.loads(found.prediction.answer or "{}")
        return Reply(value["status"], value["body"])


def _enter(stack: ExitStack, contents: Contents, name: str) -> BinaryIO:
    return stack.enter_context(contents.write(name))


class _Output:
    """A file that is made when there is something to write into it."""

    def __init__(self, open_file: Callable[[], BinaryIO]) -> None:
        self._open = open_file
        self._file: BinaryIO | None = None
        self.bytes = 0

    def write(self, value: dict[str, Any]) -> None:
        self._file = self._file or self._open()
        self.bytes += self._file.write(dump(value).encode() + b"\n")


@dataclass(slots=True)
class Written:
    """What stands in the two files: sizes in bytes, 0 where there is no file, and lines by what became of them."""

    output_bytes: int = 0
    error_bytes: int = 0
    completed: int = 0
    failed: int = 0
    unasked: int = 0


def write_results(
    lines: Iterable[Line], replies: Replies, contents: Contents, names: tuple[str, str], unasked: tuple[str, str]
) -> Written:
    """Write both files.

    Args:
        lines: all lines, in order.
        replies: what was answered.
        contents: where to write.
        names: the ids of the output file and the error file.
        unasked: code and message for lines without a reply.
    """
    written = Written()
    with ExitStack() as stack:
        output, errors = (_Output(partial(_enter, stack, contents, name)) for name in names)
        for line in lines:
            reply = replies.find(line)
            start = {"id": f"batch_req_{line.name}", "custom_id": line.custom_id}
            if reply is None:
                written.unasked += 1
                errors.write(start | {"response": None, "error": {"code": unasked[0], "message": unasked[1]}})
                continue
            response = {"status_code": reply.status, "request_id": f"req_{line.name}", "body": reply.body}
            answered = start | {"response": response, "error": None}
            if reply.status == OK:
                written.completed += 1
                output.write(answered)
            else:
                written.failed += 1
                errors.write(answered)
    written.output_bytes, written.error_bytes = output.bytes, errors.bytes
    return written
