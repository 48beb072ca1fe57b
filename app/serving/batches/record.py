"""A batch as the interface shows it. A change is on the disk before it is shown."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from openai.types import Batch, BatchError, BatchRequestCounts

from app.serving.batches.asking import OK
from app.serving.batches.state import Entry, Kind

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
        """Count replies from none again. Counts are not entered before the end: the journal knows them."""
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
