"""Room for files: how many bytes an owner may keep, with what is on its way to the disk."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.serving.batches.state import State
from app.serving.problems import ProblemError


class Room:
    """The same room for each owner. Bytes on their way count as if they were there."""

    def __init__(self, state: State, most: int) -> None:
        """`most` is in bytes for each owner."""
        self._state = state
        self._most = most
        self._held: Counter[str] = Counter()

    async def check(self, owner: str, size: int) -> None:
        """See that so many bytes more would fit now.

        Raises:
            ProblemError: 413, the owner keeps too much already.
        """
        await self._check(owner, self._held[owner] + size)

    @asynccontextmanager
    async def hold(self, owner: str, size: int) -> AsyncIterator[None]:
        """Hold room until a file is entered.

        Raises:
            ProblemError: as `check`.
        """
        wanted = self._held[owner] + size
        self._held[owner] = wanted
        try:
            await self._check(owner, wanted)
            yield
        finally:
            self._held[owner] -= size

    async def _check(self, owner: str, wanted: int) -> None:
        # Held bytes were counted first: those that are entered meanwhile count twice rather than not at all.
        if await asyncio.to_thread(self._state.stored_bytes, owner) + wanted > self._most:
            detail = f"this key keeps {self._most} bytes at most: delete files that are no longer needed"
            raise ProblemError(413, "too_many_bytes", detail)
