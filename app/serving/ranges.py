"""Bad `Range` headers, which Starlette's file responses refuse in plain text, as problem documents."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.serving.problems import ProblemError

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
                await refusal.response()(scope, receive, send)

        await self._app(scope, receive, send_problem)


def _refusal(start: Message) -> ProblemError | None:
    headers = Headers(raw=start["headers"])
    known = DETAILS.get(start["status"])
    if known is None or not headers.get("content-type", "").startswith("text/plain"):
        return None
    code, detail = known
    kept = {name: value for name, value in headers.items() if name == "content-range"}
    return ProblemError(start["status"], code, detail, headers=kept)
