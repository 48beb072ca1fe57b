"""Checks on a request's body before anything reads it: its kind, its size and its time."""

import asyncio

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.serve.problems import ProblemError
from app.serve.server_settings import ServerSettings

WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
UPLOAD_PATH = "/v1/files"
CLOSE = {"Connection": "close"}
"""The rest of a refused body stays unread, so its connection can carry no further request."""


class CheckBody:
    """413 for bodies that are too large, declared or not; 408 for slow ones; 415 for what the path does not take."""

    def __init__(self, app: ASGIApp, settings: ServerSettings) -> None:
        self._app = app
        self._max_bytes = settings.max_body_bytes
        self._max_upload_bytes = settings.max_upload_bytes
        self._seconds = settings.body_timeout
        self._upload_seconds = settings.upload_timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the whole body first, but for uploads, which are too large for that."""
        if scope["type"] != "http" or scope["method"] not in WITH_BODY:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if scope["path"] == UPLOAD_PATH:
            await self._pass_upload(kind, scope, receive, send)
            return
        nothing = headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers
        if kind != "application/json" and not nothing:
            refusal = ProblemError(415, "not_json", "send the body as 'Content-Type: application/json'")
            await refusal.response()(scope, receive, send)
            return
        declared = headers.get("content-length", "")
        too_large = declared.isdecimal() and int(declared) > self._max_bytes
        try:
            async with asyncio.timeout(self._seconds):
                body = b"" if too_large else await self._read(receive)
        except TimeoutError:
            refusal = ProblemError(408, "body_too_slow", _slow(self._seconds), headers=CLOSE)
            await refusal.response()(scope, receive, send)
            return
        if body is None:
            return
        if too_large or len(body) > self._max_bytes:
            detail = f"the body is larger than {self._max_bytes} bytes: send fewer questions at once"
            refusal = ProblemError(413, "body_too_large", detail, headers=CLOSE)
            await refusal.response()(scope, receive, send)
            return
        await self._app(scope, _replay(body, receive), send)

    async def _pass_upload(self, kind: str, scope: Scope, receive: Receive, send: Send) -> None:
        most = self._max_upload_bytes
        detail = f"the upload is larger than {most} bytes: split it into several files"
        declared = Headers(scope=scope).get("content-length", "")
        refusal: ProblemError | None = None
        if kind != "multipart/form-data":
            refusal = ProblemError(415, "not_a_form", "send the file as 'Content-Type: multipart/form-data'")
        elif declared.isdecimal() and int(declared) > most:
            refusal = ProblemError(413, "body_too_large", detail, headers=CLOSE)
        if refusal is not None:
            await refusal.response()(scope, receive, send)
            return
        size = 0
        late: float | None = asyncio.get_running_loop().time() + self._upload_seconds

        async def checked() -> Message:
            nonlocal size, late
            try:
                async with asyncio.timeout_at(late):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, _slow(self._upload_seconds), headers=CLOSE) from None
            size += len(message.get("body", b""))
            if size > most:
                # FastAPI lets no other kind of exception through while it reads a form.
                raise HTTPException(413, detail, headers=CLOSE)
            if not message.get("more_body", False):
                # What is still to come is only that the client leaves.
                late = None
            return message

        await self._app(scope, checked, send)

    async def _read(self, receive: Receive) -> bytes | None:
        """The body up to just over the limit, or None where the client went away."""
        chunks: list[bytes] = []
        size = 0
        while size <= self._max_bytes:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            chunks.append(message.get("body", b""))
            size += len(chunks[-1])
            if not message.get("more_body", False):
                break
        return b"".join(chunks)


def _slow(seconds: float) -> str:
    return f"the body was not there within {seconds:g} s: send less at once, or over a faster line"


def _replay(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def replayed() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed
