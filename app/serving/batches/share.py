"""The part of the engine that batches may use: all of it is the online requests' first."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.serving.admission import Admission


class Share:
    """Places for batch requests: `most` on an idle server, one less for each online question, one at least.

    Online questions never wait for a place, and a batch goes on under any load, if slowly. Places are given in
    the order of asking, so that many batches go on side by side.
    """

    def __init__(self, most: int, admission: Admission) -> None:
        self._most = most
        self._admission = admission
        self.in_use = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        admission.on_leave(self._give)

    @property
    def places(self) -> int:
        """How many requests of batches may be in the engine now."""
        return max(1, self._most - self._admission.pending)

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Wait for a place and hold it."""
        await self.take()
        try:
            yield
        finally:
            self.give_back()

    async def take(self) -> None:
        """Wait for a place."""
        if self.in_use < self.places and not self._waiting:
            self.in_use += 1
            return
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():
                self.give_back()
            elif mine in self._waiting:
                self._waiting.remove(mine)
            raise

    def give_back(self) -> None:
        """Let the next one have the place."""
        self.in_use -= 1
        self._give()

    def _give(self) -> None:
        while self._waiting and self.in_use < self.places:
            first = self._waiting.popleft()
            if not first.done():
                self.in_use += 1
                first.set_result(None)
