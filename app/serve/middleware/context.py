"""What surrounds every request: its id, its log line, its clean-up, its path, an end to errors."""

import asyncio
import logging
import re
import time
from contextlib import AsyncExitStack
from http import HTTPStatus
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.serve.operations import Metrics
from app.serve.problems import REQUEST_ID, ProblemError, respond

HEADER = "x-request-id"
GIVEN = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""A client's id that is harmless in a log and a header."""
CLIENT_GONE = 499
"""The log's status of a request whose client went away, as nginx writes it. Nobody receives it."""

log = logging.getLogger(__name__)


class ClientGoneError(Exception):
    """The client closed the connection before its answer was there, or stopped taking it."""


def clean_up(scope: Scope) -> AsyncExitStack:
    """What is entered here is left when the response has been sent, or when there is nobody to send it to."""
    stack: AsyncExitStack = scope["shopbench.clean_up"]
    return stack


class RequestContext:
    """Outside of all that may fail. `stall_timeout`: seconds that a client may take nothing of its answer."""

    def __init__(self, app: ASGIApp, metrics: Metrics, stall_timeout: float) -> None:
        self._app = app
        self._metrics = metrics
        self._stall_timeout = stall_timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        name = given if GIVEN.fullmatch(given) else uuid4().hex
        token = REQUEST_ID.set(name)
        try:
            await self._run(scope, receive, send, name)
        finally:
            REQUEST_ID.reset(token)

    async def _run(self, scope: Scope, receive: Receive, send: Send, name: str) -> None:
        started = time.monotonic()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = name
            try:
                async with asyncio.timeout(self._stall_timeout):
                    await send(message)
            except TimeoutError:
                # The server closes a connection whose response ends early.
                raise ClientGoneError from None

        try:
            async with AsyncExitStack() as stack:
                scope["shopbench.clean_up"] = stack
                await self._app(scope, receive, send_with_id)
        except ClientGoneError:
            status = CLIENT_GONE
        except asyncio.CancelledError:
            # Only a server that ends does this, when `drain_timeout` is over.
            if status == 0:
                detail = "the server is shutting down and has no time left for this request: send it again"
                headers = {"Retry-After": "1", "Connection": "close"}
                await respond(ProblemError(503, "shutting_down", detail, headers=headers))(scope, receive, send_with_id)
            status = HTTPStatus.SERVICE_UNAVAILABLE
        except Exception:  # the boundary: whatever it is, the client gets a document and the log the rest
            log.exception("unexpected error", extra={"path": scope["path"]})
            if status == 0:
                error = ProblemError(500, "internal", "an error of the server; the log has it under this request id")
                await respond(error)(scope, receive, send_with_id)
            status = 500
        finally:
            self._finish(scope, status or CLIENT_GONE, time.monotonic() - started)

    def _finish(self, scope: Scope, status: int, seconds: float) -> None:
        path = _pattern(scope)
        self._metrics.request(path, scope["method"], status, seconds)
        # Under load most requests may be refused; a line for each would slow down the answers. /metrics counts them.
        quiet = scope.get("shopbench.shed", False) or (
            path in ("/livez", "/health", "/readyz", "/metrics") and status == 200
        )
        log.log(
            logging.DEBUG if quiet else logging.INFO,
            "request",
            extra={
                "method": scope["method"],
                "path": scope["path"],
                "status": status,
                "seconds": round(seconds, 4),
                "key": scope.get("shopbench.key", ""),
                "client": (scope.get("client") or ("", 0))[0],
            },
        )


def _pattern(scope: Scope) -> str:
    """The route's path, also where a middleware answered before the request got there."""
    path: str = getattr(scope.get("route") or _route_of(scope), "path", "(none)")
    return path


def _route_of(scope: Scope) -> BaseRoute | None:
    return next((route for route in scope["app"].routes if route.matches(scope)[0] is not Match.NONE), None)


def prefix_of(scope: Scope) -> str:
    """What clients write before this server's own paths, such as `/shop`; empty where there is nothing."""
    prefix: str = scope["shopbench.prefix"]
    return prefix


class OwnPath:
    """Takes the prefix off a request's path, so that all that comes after sees the server's own paths.

    The prefix is ASGI's `root_path` or, where that is empty, `prefix`. uvicorn writes the former before each path; a
    proxy may have taken it off or left it.
    """

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; the prefix alone, without its slash, is sent to the page under it."""
        if scope["type"] == "http":
            given = scope.get("root_path", "")
            prefix = f"/{named}" if (named := given.strip("/") or self._prefix.strip("/")) else ""
            path = scope["path"].removeprefix(given)
            scope.update({"path": path, "root_path": "", "shopbench.prefix": prefix})
            # Not where it is a path of the server's own: `/v1` may be the prefix, too.
            if prefix and f"{path}/".startswith(f"{prefix}/") and _route_of(scope) is None:
                path = scope["path"] = path.removeprefix(prefix)
            if not path:
                await Response(status_code=307, headers={"Location": f"{prefix}/"})(scope, receive, send)
                return
        await self._app(scope, receive, send)
