"""Whether the engine answers: tokens seen lately, or else a canary that generates one."""

import asyncio
import time

from app.engines.base import AsyncEngine
from app.errors import EngineError


class Health:
    """Live and ready are two questions.

    Not live: the engine has failed for good, and a restart is what helps. Not ready: no token came for as
    long as the canary is given. An engine that hangs is not ready but live; it may yet come back.
    """

    def __init__(self, engine: AsyncEngine, canary_timeout: float) -> None:
        self._engine = engine
        self._timeout = canary_timeout
        self._canary: asyncio.Task[None] | None = None

    @property
    def live(self) -> bool:
        """Whether the process is worth keeping."""
        return self._engine.alive

    @property
    def silent(self) -> float:
        """Seconds since the engine's last token. An engine with nothing to do is silent too."""
        return time.monotonic() - self._engine.last_heard

    async def why_not_ready(self) -> str | None:
        """None where the engine answers. Many who ask at once share one canary; a busy engine needs none."""
        asked = time.monotonic()
        # A busy engine proves itself; a canary would only wait at the end of its queue.
        if self._engine.alive and asked - self._engine.last_heard < self._timeout / 2:
            return None
        if self._canary is None or self._canary.done():
            self._canary = asyncio.create_task(self._probe())
        canary = self._canary
        while self._engine.alive and not canary.done():
            left = asked + self._timeout - time.monotonic()
            if left <= 0:
                return f"the engine gave no token for {self._timeout:g} s"
            await asyncio.wait({canary}, timeout=min(left, LOOK_EVERY))
            if self._engine.last_heard > asked:
                return None
        return None if self._engine.alive and self._engine.last_heard > asked else "the engine has failed"

    async def _probe(self) -> None:
        try:
            await self._engine.probe()
        except EngineError:
            # `alive` tells; a canary has nobody to tell it to.
            return

    async def close(self) -> None:
        """End a canary that hangs."""
        if self._canary is not None:
            self._canary.cancel()
            await asyncio.gather(self._canary, return_exceptions=True)


LOOK_EVERY = 0.25
"""Seconds. A dead process and another's token are noticed by looking."""
