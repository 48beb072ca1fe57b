"""Checks on a request's body before anything reads it: its kind, its size and its time."""

import asyncio

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.serve.problems import ProblemError, respond
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
        checked: Receive | None = receive
        if scope["type"] == "http" and scope["method"] in WITH_BODY:
            try:
                checked = await self._check(scope, receive)
            except ProblemError as refusal:
                await respond(refusal)(scope, receive, send)
                return
        if checked is not None:
            await self._app(scope, checked, send)

    async def _check(self, scope: Scope, receive: Receive) -> Receive | None:
        headers = Headers(scope=scope)
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        length = headers.get("content-length", "")
        declared = int(length) if length.isdecimal() else 0
        if scope["path"] == UPLOAD_PATH:
            return self._upload(kind, declared, receive)
        if kind != "application/json" and (length not in ("", "0") or "transfer-encoding" in headers):
            raise ProblemError(415, "not_json", "send the body as 'Content-Type: application/json'")
        return await self._whole(declared, receive)

    async def _whole(self, declared: int, receive: Receive) -> Receive | None:
        """Gives the body that was read; None where the client went away."""
        try:
            async with asyncio.timeout(self._seconds):
                body = b"" if declared > self._max_bytes else await self._read(receive)
        except TimeoutError:
            raise ProblemError(408, "body_too_slow", _slow(self._seconds), headers=CLOSE) from None
        if body is None:
            return None
        if max(declared, len(body)) > self._max_bytes:
            detail = f"the body is larger than {self._max_bytes} bytes: send fewer questions at once"
            raise ProblemError(413, "body_too_large", detail, headers=CLOSE)
        sent = False

        async def replayed() -> Message:
            nonlocal sent
            if sent:
                return await receive()
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        return replayed

    def _upload(self, kind: str, declared: int, receive: Receive) -> Receive:
        """Gives the body as it comes."""
        most = self._max_upload_bytes
        detail = f"the upload is larger than {most} bytes: split it into several files"
        if kind != "multipart/form-data":
            raise ProblemError(415, "not_a_form", "send the file as 'Content-Type: multipart/form-data'")
        if declared > most:
            raise ProblemError(413, "body_too_large", detail, headers=CLOSE)
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

        return checked

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
