"""The part of the engine that batches may use: all of it is the online requests' first."""

import asyncio
from collections import deque

from app.serving.admission import Admission


class Share:
    """Places for batch requests: `most` on an idle server, one less for each online question, one at least.

    Online questions never wait for a place, and a batch goes on under any load, if slowly. Places are given in
    the order of asking, so that many batches go on side by side. Who needs more of them than there are goes alone.
    """

    def __init__(self, most: int, admission: Admission) -> None:
        self._most = most
        self._admission = admission
        self.in_use = 0
        self._waiting: deque[tuple[asyncio.Future[None], int]] = deque()
        admission.on_leave(self._give)

    @property
    def places(self) -> int:
        """How many requests of batches may be in the engine now."""
        return max(1, self._most - self._admission.pending)

    async def take(self, places: int) -> None:
        """Wait for so many places."""
        if not self._waiting and self._fits(places):
            self.in_use += places
            return
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((mine, places))
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():
                self.give_back(places)
            else:
                # The next one may need less.
                self._give()
            raise

    def give_back(self, places: int) -> None:
        """Let the next ones have the places."""
        self.in_use -= places
        self._give()

    def _fits(self, places: int) -> bool:
        return self.in_use == 0 or self.in_use + places <= self.places

    def _give(self) -> None:
        while self._waiting:
            first, places = self._waiting[0]
            if not first.done():
                if not self._fits(places):
                    return
                self.in_use += places
                first.set_result(None)
            self._waiting.popleft()
