"""The end of a batch: its files, and the status that comes of what was answered."""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO

from openai.types import Batch, BatchError, BatchRequestCounts

from app.files import dump
from app.jobs.store import Store
from app.serve.batches.asking import OK
from app.serve.batches.files import Files
from app.serve.batches.lines import Line, read
from app.serve.batches.state import Contents, Entry, Kind


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
    lines: Iterable[Line], store: Store, contents: Contents, names: tuple[str, str], unasked: tuple[str, str]
) -> Written:
    """Write both files.

    Args:
        lines: all lines, in order.
        store: what was answered.
        contents: where to write.
        names: the ids of the output file and the error file.
        unasked: code and message for lines without a reply.
    """
    written = Written()
    with ExitStack() as stack:
        output, errors = (_Output(partial(_enter, stack, contents, name)) for name in names)
        for line in lines:
            reply = store.find_reply(line.key(store.digest))
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


ENDED = frozenset({"completed", "failed", "expired", "cancelled"})


class Record:
    """The document of one batch, one change at a time."""

    def __init__(self, entry: Entry, put: Callable[..., Awaitable[None]]) -> None:
        """Go on from `entry`; `put` enters several at once, and raises OSError where the disk refuses."""
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
        """Note that nothing more is wanted; False where the batch is at its end already.

        Raises:
            OSError: the disk is full, or refuses otherwise; nothing has changed.
        """
        async with self._changing:
            # Only here: the end may have been on its way to the disk before.
            if self.ended:
                return False
            if not self.cancelled:
                await self._write({"status": "cancelling", "cancelling_at": _now()})
            return True

    async def advance(self, status: str, **changes: object) -> None:
        """Go on to a status; a batch that is being cancelled keeps saying so.

        Raises:
            OSError: as `cancel`.
        """
        async with self._changing:
            step = {} if self.cancelled else {"status": status, f"{status}_at": _now()}
            await self._write(step | changes)

    async def end(self, status: str, *files: Entry, **changes: object) -> None:
        """Enter the end and the files that the batch leaves, all at once.

        Raises:
            OSError: as `cancel`.
        """
        async with self._changing:
            await self._write({"status": status, f"{status}_at": _now(), **changes}, *files)

    async def fail(self, errors: list[BatchError], *files: Entry, **changes: object) -> None:
        """End as `failed`, and say why.

        Raises:
            OSError: as `cancel`.
        """
        found = {"object": "list", "data": [error.model_dump() for error in errors]}
        await self.end("failed", *files, errors=found, **changes)

    def recount(self) -> None:
        """Count replies from none again. Counts are not entered before the end: the store knows them."""
        self._show_counts(BatchRequestCounts(total=self.total, completed=0, failed=0))

    def count(self, status: int) -> None:
        """One more reply with this HTTP status."""
        counts = self.document.request_counts
        if counts is not None:
            name = "completed" if status == OK else "failed"
            self._show_counts(counts.model_copy(update={name: getattr(counts, name) + 1}))

    def _show_counts(self, counts: BatchRequestCounts) -> None:
        self.document = self.document.model_copy(update={"request_counts": counts})

    async def _write(self, changes: dict[str, Any], *files: Entry) -> None:
        document = Batch.model_validate(self.document.model_dump(mode="json") | _plain(changes))
        await self._put(*files, Entry(Kind.BATCH, document.id, self.owner, document.model_dump(mode="json")))
        # Answers went on coming meanwhile.
        counts = {} if "request_counts" in changes else {"request_counts": self.document.request_counts}
        self.document = document.model_copy(update=counts)


def _plain(changes: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.model_dump() if isinstance(value, BatchRequestCounts) else value for name, value in changes.items()
    }


def _now() -> int:
    return int(time.time())


@dataclass(frozen=True, slots=True)
class Cause:
    """Why lines may be left without a reply: the batch's status then, code and message of such a line.

    `error` is what the batch itself says, where that status is `failed`.
    """

    status: str
    code: str
    message: str
    error: str = ""


CANCELLED = Cause("cancelled", "batch_cancelled", "not answered: the batch was cancelled")
EXPIRED = Cause("expired", "batch_expired", "not answered within the completion window")
BROKEN = Cause(
    "failed",
    "internal",
    "not answered: the batch met an error of the server",
    "an error of the server; its log has it under this batch's id",
)


def server_changed(different: list[str]) -> Cause:
    """The server came back as another one; `different` says in what."""
    error = f"the batch was begun with another model: {'; '.join(different)}"
    return Cause("failed", "server_changed", "not answered: the batch was begun with another model", error)


@dataclass(frozen=True, slots=True)
class Ending:
    """Writes what a batch leaves, then enters its end."""

    record: Record
    contents: Contents
    files: Files

    def write(self, store: Store, cause: Cause) -> Written:
        """Write both files. Waits for the disk.

        Raises:
            OSError: the disk is full, or refuses otherwise; the files may be written again.
            InputError: as OSError, of the file of lines or the store.
        """
        lines = read(self.contents.path(self.record.document.input_file_id))
        return write_results(lines, store, self.contents, self._names, (cause.code, cause.message))

    async def enter(self, written: Written, cause: Cause) -> None:
        """Enter the files and the status.

        Raises:
            OSError: as `write`.
        """
        output, errors = self._names
        found = {
            "output_file_id": output if written.output_bytes else None,
            "error_file_id": errors if written.error_bytes else None,
            "request_counts": BatchRequestCounts(
                total=self.record.total, completed=written.completed, failed=written.failed
            ),
        }
        # A cancelled batch may be answered whole, and is cancelled all the same.
        status = cause.status if written.unasked or cause is CANCELLED else "completed"
        if status == "failed":
            error = BatchError(code=cause.code, message=cause.error)
            await self.record.fail([error], *self._entries(written), **found)
        else:
            await self.record.end(status, *self._entries(written), **found)

    def _entries(self, written: Written) -> Iterator[Entry]:
        document = self.record.document
        seconds = (document.model_extra or {}).get("output_expires_after")
        sizes = (written.output_bytes, written.error_bytes)
        for name, size, what in zip(self._names, sizes, ("output", "error"), strict=True):
            if size:
                filename = f"{document.id}_{what}.jsonl"
                made = self.files.describe(name, size, filename, "batch_output", seconds)
                yield Entry(Kind.FILE, name, self.record.owner, made.model_dump(mode="json"))

    @property
    def _names(self) -> tuple[str, str]:
        """The same names each time, so that output which is written twice is one file."""
        return self._name("output"), self._name("errors")

    def _name(self, what: str) -> str:
        digest = hashlib.blake2b(f"{self.record.document.id}\0{what}".encode(), digest_size=16)
        return f"file-{digest.hexdigest()}"
