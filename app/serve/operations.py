"""What those who run the server see: its log, its figures, whether it is live and ready."""

import asyncio
import json
import logging
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.metrics import Counter, Gauge, Histogram
from starlette.responses import JSONResponse, PlainTextResponse, Response

from app.engines.base import AsyncEngine
from app.errors import EngineError
from app.serve.problems import REQUEST_ID, ProblemError, problem_responses
from app.types import Outcome, Prediction, TaskType

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message", "taskName"}
_STANDARD |= {"vllm_process_name", "fileinfo"}  # what vLLM adds to every record


class JsonFormatter(logging.Formatter):
    """`time`, `level`, `logger`, `message`, `request_id`, whatever the caller adds, and `traceback`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, whatever the message holds."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if current := REQUEST_ID.get():
            line["request_id"] = current
        # Ray adds names of its own, with an underscore.
        line |= {name: value for name, value in vars(record).items() if name not in _STANDARD and name[0] != "_"}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def set_up_logging(level: str) -> None:
    """Send everything that is logged in this process to standard error, as JSON; see `take_over` for later loggers."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    # Others' handlers are taken off and not closed: absl's would close standard error, or what stood in its place.
    logging.root.handlers = [handler]
    logging.root.setLevel(level.upper())
    # Other libraries speak up only when something is wrong.
    for name in ("httpx", "httpcore", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)
    take_over("uvicorn")
    access = logging.getLogger("uvicorn.access")
    # Our own line of each request says more.
    access.handlers, access.propagate = [], False


def take_over(library: str) -> None:
    """Have a library that set up a handler of its own log as all others do."""
    logger = logging.getLogger(library)
    logger.handlers, logger.propagate = [], True


SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE"})
"""Methods are the client's to invent, and every label value is memory."""


KINDS = (*TaskType, "none", "chat", "completion")
"""Of what is answered: the questions' types (`none`: not routed in time), and what goes to the model as it is."""
REASONS = ("overloaded", "too_fast", "too_many_questions")


class Metrics:
    """The server's own metrics, in a registry of their own so that two applications can live in one process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        count = partial(Counter, namespace="shopbench", registry=self._registry)
        time_spent = partial(Histogram, namespace="shopbench", registry=self._registry, buckets=SECONDS)
        self._requests = count("http_requests", "Requests by route, method and status.", ("route", "method", "status"))
        told = "From the first byte of a request to the last of its response."
        self._request_seconds = time_spent("http_request_seconds", told, ("route",))
        self._questions = count("questions", "Questions by type and outcome.", ("task_type", "outcome"))
        told = "From handing a question to the engine until its answer; of one without an answer, all of its time."
        self._question_seconds = time_spent("question_seconds", told, ("task_type",))
        told = "Questions not accepted, by reason; a request that a full queue refuses unread counts as one."
        self._refused = count("refused_questions", told, ("reason",))
        self._batch_lines = count("batch_lines", "Lines of batches that were answered, by status.", ("status",))
        # What was never counted is 0: from nothing to 1 is no increase to Prometheus.
        for kind in KINDS:
            self._question_seconds.labels(kind)
            for outcome in Outcome:
                self._questions.labels(kind, outcome)
        for reason in REASONS:
            self._refused.labels(reason)
        for status in ("200", "404", "422", "500", "503", "504"):
            self._batch_lines.labels(status)

    def watch(self, name: str, description: str, value: Callable[[], float]) -> None:
        """A gauge that is read when Prometheus asks."""
        Gauge(f"shopbench_{name}", description, registry=self._registry).set_function(value)

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one request. `route` is the path's pattern, so that there are few."""
        self._requests.labels(route, method if method in METHODS else "other", str(status)).inc()
        self._request_seconds.labels(route).observe(seconds)

    def answered(self, prediction: Prediction) -> None:
        """Count one question that was accepted."""
        task_type = prediction.task_type or "none"
        self._questions.labels(task_type, prediction.outcome).inc()
        self._question_seconds.labels(task_type).observe(prediction.seconds)

    def completed(self, kind: str, outcome: Outcome, seconds: float, answers: int) -> None:
        """Count what a request to the model itself was answered: its kind stands in the place of a type."""
        self._questions.labels(kind, outcome).inc(answers)
        self._question_seconds.labels(kind).observe(seconds)

    def refused(self, reason: str, questions: int) -> None:
        """Count questions that were not accepted."""
        self._refused.labels(reason).inc(questions)

    def batch_line(self, status: int) -> None:
        """Count one line of a batch."""
        self._batch_lines.labels(str(status)).inc()

    def text(self) -> bytes:
        """Everything in Prometheus' text format; vLLM and the process report to the common registry."""
        return generate_latest(self._registry) + generate_latest(REGISTRY)


LOOK_EVERY = 0.25
"""Seconds. A dead process and another's token are noticed by looking."""


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


def operations_router(health: Health, metrics: Metrics) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["operations"])

    @router.head("/livez", include_in_schema=False)
    @router.get("/livez", summary="Is the process worth keeping?", responses=problem_responses(503))
    async def livez() -> Response:
        """Red only where a restart is what helps: the engine has failed for good."""
        if not health.live:
            raise ProblemError(503, "engine_failed", "the engine has failed: restart the server")
        return JSONResponse({"status": "live"})

    @router.head("/health", include_in_schema=False)
    @router.get("/health", summary="The same by vLLM's name", responses=problem_responses(503))
    async def health_as_with_vllm() -> Response:
        """As `/livez`: what waits for vLLM's own server, or looks after it, asks here."""
        return await livez()

    @router.head("/readyz", include_in_schema=False)
    @router.get("/readyz", summary="Does the engine answer?", responses=problem_responses(503))
    async def readyz() -> Response:
        """Green where the engine produced a token lately, or produces one now within the canary's time."""
        reason = await health.why_not_ready()
        if reason is not None:
            raise ProblemError(503, "not_ready", reason, headers={"Retry-After": "5"})
        return JSONResponse({"status": "ready"})

    @router.get(
        "/metrics",
        summary="Figures for Prometheus",
        response_class=PlainTextResponse,
        responses=problem_responses(401, 403),
    )
    async def figures() -> Response:
        """The server's own figures, vLLM's and the process', in Prometheus' text format."""
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)

    return router
