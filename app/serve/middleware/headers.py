"""Headers: how many a request may have, and those that tell browsers what a page may do."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.serve.problems import ProblemError, respond

STRICT = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
CLOSED = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
# Swagger UI has pictures in its style sheet, and styles on its elements.
DOCS = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; "
)


def _headers(policy: str) -> list[tuple[bytes, bytes]]:
    values = {
        "content-security-policy": policy + CLOSED,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
    }
    return [(name.encode(), value.encode()) for name, value in values.items()]


HEADERS, DOCS_HEADERS = _headers(STRICT), _headers(DOCS)
NOT_KEPT = ((b"cache-control", b"no-store"),)
MAX_HEADERS = 100
MAX_HEAD_BYTES = 64 << 10
"""Of a request's path, names and values together."""


def too_large() -> ProblemError:
    """431, which `BoundedHttp` says too where a head grows beyond the limit before it is whole."""
    detail = f"more than {MAX_HEADERS} headers or {MAX_HEAD_BYTES} bytes of them: send fewer"
    return ProblemError(431, "headers_too_large", detail, headers={"Connection": "close"})


class BoundHeaders:
    """431 for more headers than anybody needs, whatever server has read them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        headers = scope.get("headers", ())
        size = len(scope.get("path", "")) + len(scope.get("query_string", b""))
        size += sum(len(name) + len(value) for name, value in headers)
        refused = len(headers) > MAX_HEADERS or size > MAX_HEAD_BYTES
        await (respond(too_large()) if refused else self._app)(scope, receive, send)


class SecurityHeaders:
    """Sets a Content-Security-Policy and its like on every response."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; add to what comes back."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = message["headers"]
                # Only here is the path the server's own, see `OwnPath`.
                added = DOCS_HEADERS if scope["path"] == "/docs" else HEADERS
                kept = () if any(name == b"cache-control" for name, _ in given) else NOT_KEPT
                message = {**message, "headers": [*given, *added, *kept]}
            await send(message)

        await self._app(scope, receive, send_with_headers)


DETAILS = {
    400: ("bad_request", "the header Range cannot be read: send bytes=first-last, or leave it out"),
    416: ("no_such_range", "there are no such bytes; the header Content-Range says how many there are"),
}


class RefuseRanges:
    """Puts a problem document in the place of a refused range's plain text."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; look at what comes back where a range was asked for."""
        if scope["type"] != "http" or "range" not in Headers(scope=scope):
            await self._app(scope, receive, send)
            return
        refusal: ProblemError | None = None

        async def send_problem(message: Message) -> None:
            nonlocal refusal
            if message["type"] == "http.response.start":
                refusal = _refusal(message)
            if refusal is None:
                await send(message)
            elif message["type"] == "http.response.body" and not message.get("more_body", False):
                await respond(refusal)(scope, receive, send)

        await self._app(scope, receive, send_problem)


def _refusal(start: Message) -> ProblemError | None:
    headers = Headers(raw=start["headers"])
    known = DETAILS.get(start["status"])
    if known is None or not headers.get("content-type", "").startswith("text/plain"):
        return None
    code, detail = known
    kept = {name: value for name, value in headers.items() if name == "content-range"}
    return ProblemError(start["status"], code, detail, headers=kept)
