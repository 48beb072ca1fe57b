"""A full queue says so before a request's body is read: refusing must cost less than answering."""

from starlette.types import ASGIApp, Receive, Scope, Send

from app.serving.admission import Admission
from app.serving.metrics import Metrics
from app.serving.problems import ProblemError

QUEUED = frozenset({"/v1/predict", "/v1/route", "/v1/chat/completions"})
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
                await problem.response()(scope, receive, send)
                return
        await self._app(scope, receive, send)
