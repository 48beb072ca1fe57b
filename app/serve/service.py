"""What the routes share."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from starlette.requests import Request

from app.engines.base import AsyncEngine
from app.errors import EngineError
from app.predictor import AsyncPredictor
from app.serve.admission import Admission, RateLimit
from app.serve.metrics import Metrics
from app.serve.middleware.context import clean_up
from app.serve.problems import ProblemError
from app.serve.server_settings import ServerSettings


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


@dataclass(frozen=True, slots=True)
class Service:
    """A loaded model with everything that guards it."""

    predictor: AsyncPredictor
    settings: ServerSettings
    admission: Admission
    rates: RateLimit
    health: Health
    metrics: Metrics
    started: int = field(default_factory=lambda: int(time.time()))

    def admit(self, request: Request, questions: int) -> None:
        """As `hold`, for what the engine shall answer.

        Raises:
            ProblemError: as `hold`.
            EngineError: the engine has failed for good.
        """
        if not self.health.live:
            raise EngineError("the engine has failed")
        self.hold(request, questions)

    def hold(self, request: Request, questions: int) -> None:
        """Hold places until the response is sent, and count the questions against the rate of the request's key.

        Raises:
            ProblemError: 429 or 422, see `Admission`; 429, see `RateLimit`.
        """
        with self._counting_refusals(questions):
            self.admission.check(questions)
            self.rates.take(request.scope.get("shopbench.key", ""), questions)
        clean_up(request.scope).enter_context(self.admission.enter(questions))

    @contextmanager
    def _counting_refusals(self, questions: int) -> Iterator[None]:
        try:
            yield
        except ProblemError as problem:
            self.metrics.refused(problem.code, questions)
            raise
