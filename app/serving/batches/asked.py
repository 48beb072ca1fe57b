"""Lines of a batch that are being asked."""

import asyncio
from collections.abc import Coroutine
from functools import partial
from typing import Any

from app.serving.batches.lines import Line
from app.serving.batches.share import Share


class Asked:
    """Tasks, each with its places of the share, and the first fault of any."""

    def __init__(self, share: Share) -> None:
        """Nothing is asked yet."""
        self._share = share
        self._running: set[asyncio.Task[None]] = set()
        self._fault: BaseException | None = None
        self.unanswered: set[str] = set()
        """Names of the lines that were begun and have no reply."""

    async def start(self, line: Line, work: Coroutine[Any, Any, None]) -> None:
        """Wait for the line's places and begin.

        Raises:
            EngineError: an earlier line failed with it, as with every other error.
        """
        try:
            await self._share.take(line.weight)
        except asyncio.CancelledError:
            work.close()
            raise
        self.unanswered.add(line.name)
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(partial(self._ended, line))
        self._raise_fault()

    async def all_ended(self) -> None:
        """Wait for all that were begun.

        Raises:
            EngineError: as `start`.
        """
        await asyncio.gather(*self._running)
        self._raise_fault()

    async def cancel(self) -> None:
        """Ask nothing more of what is running."""
        left = list(self._running)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _ended(self, line: Line, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._share.give_back(line.weight)
        if task.cancelled():
            return
        if (fault := task.exception()) is not None:
            self._fault = self._fault or fault
        else:
            self.unanswered.discard(line.name)

    def _raise_fault(self) -> None:
        if self._fault is not None:
            raise self._fault
