"""The end of a batch: its files, and the status that comes of what was answered."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from openai.types import BatchError, BatchRequestCounts

from app.serving.batches.contents import Contents
from app.serving.batches.files import Files
from app.serving.batches.lines import read
from app.serving.batches.record import Record
from app.serving.batches.results import Replies, Written, write_results
from app.serving.batches.state import Entry, Kind


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

    def write(self, replies: Replies, cause: Cause) -> Written:
        """Write both files. Waits for the disk.

        Raises:
            OSError: the disk is full, or refuses otherwise; the files may be written again.
            InputError: as OSError, of the file of lines or the journal.
        """
        lines = read(self.contents.path(self.record.document.input_file_id))
        return write_results(lines, replies, self.contents, self._names, (cause.code, cause.message))

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
