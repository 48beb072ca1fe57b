"""How many questions are let in: a bounded queue for all, and a rate for each key."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from starlette.types import ASGIApp, Receive, Scope, Send

from app.serve.operations import Metrics
from app.serve.problems import ProblemError, respond, try_later

MEMORY_SECONDS = 10.0
"""The rate of answers is a mean that forgets with this time constant."""
LONGEST_WAIT = 60


class Admission:
    """Counts questions that are accepted and not yet answered, those in the engine included."""

    def __init__(self, capacity: int, now: Callable[[], float] = time.monotonic) -> None:
        self.capacity = capacity
        self.pending = 0
        self._now = now
        self._answered = 0.0
        self._since = now()
        self._told: list[Callable[[], None]] = []

    def on_leave(self, tell: Callable[[], None]) -> None:
        """Call this whenever places become free."""
        self._told.append(tell)

    @contextmanager
    def enter(self, questions: int) -> Iterator[None]:
        """Hold places for all questions of a request, or for none, as `check` says."""
        self.check(questions)
        self.pending += questions
        try:
            yield
        finally:
            self.pending -= questions
            self._fade()
            self._answered += questions
            for tell in self._told:
                tell()

    def check(self, questions: int) -> None:
        """Refuse what does not fit.

        Raises:
            ProblemError: 429 where there is no room; 422 where there never will be.
        """
        if questions > self.capacity:
            detail = f"{questions} questions at once are more than this server holds ({self.capacity}): send fewer"
            raise ProblemError(422, "too_many_questions", detail)
        if self.pending + questions > self.capacity:
            raise try_later("overloaded", f"{self.pending} questions are waiting", self.wait_for(questions))

    def wait_for(self, questions: int) -> int:
        """Seconds until there will be room at the present rate of answers."""
        self._fade()
        rate = self._answered / MEMORY_SECONDS
        over = self.pending + questions - self.capacity
        return min(LONGEST_WAIT, max(1, math.ceil(over / rate))) if rate > 0 else 1

    def _fade(self) -> None:
        now = self._now()
        self._answered *= math.exp((self._since - now) / MEMORY_SECONDS)
        self._since = now


class RateLimit:
    """A token bucket for each key, as deep as one minute's questions."""

    def __init__(self, per_minute: float | None, now: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._now = now
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, key: str, questions: int) -> None:
        """Count questions against a key. More than a minute's worth at once is let in from a full bucket.

        Raises:
            ProblemError: 429, the key is too fast.
        """
        if self._per_minute is None:
            return
        now = self._now()
        left, since = self._buckets.get(key, (self._per_minute, now))
        left = min(self._per_minute, left + (now - since) * self._per_minute / 60)
        needed = min(float(questions), self._per_minute)
        # Rounding must not keep a caller out who waited as long as the header said.
        if left + 1e-6 < needed:
            wait = max(1, math.ceil((needed - left) * 60 / self._per_minute))
            raise try_later("too_fast", f"this key may ask {self._per_minute:g} questions a minute", wait)
        self._buckets[key] = (left - questions, now)


QUEUED = frozenset({"/v1/predict", "/v1/route", "/v1/chat/completions", "/v1/completions"})
"""The paths that ask for places in the queue."""


class ShedLoad:
    """429 where there is not even one place. Whether there are enough is seen once the request is read."""

    def __init__(self, app: ASGIApp, admission: Admission, metrics: Metrics) -> None:
        self._app = app
        self._admission = admission
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, or answer 429."""
        if scope["type"] == "http" and scope["path"] in QUEUED and scope["method"] == "POST":
            try:
                self._admission.check(1)
            except ProblemError as problem:
                self._metrics.refused(problem.code, 1)
                scope["shopbench.shed"] = True
                await respond(problem)(scope, receive, send)
                return
        await self._app(scope, receive, send)
