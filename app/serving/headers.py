"""Headers that tell browsers what a page may do."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

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


class SecurityHeaders:
    """Sets a Content-Security-Policy and its like on every response."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; add to what comes back."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        added = DOCS_HEADERS if scope["path"] == "/docs" else HEADERS

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = message["headers"]
                kept = () if any(name == b"cache-control" for name, _ in given) else NOT_KEPT
                message = {**message, "headers": [*given, *added, *kept]}
            await send(message)

        await self._app(scope, receive, send_with_headers)
