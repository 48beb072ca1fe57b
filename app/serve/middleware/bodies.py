"""Checks on a request's body before anything reads it: its kind, its coding, its size and its time."""

import asyncio
import zlib
from collections.abc import Callable
from functools import partial

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.serve.problems import KNOWN, ProblemError, respond
from app.serve.server_settings import ServerSettings

WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
UPLOAD_PATH = "/v1/files"
CLOSE = {"Connection": "close"}
"""The rest of a refused body stays unread, so its connection can carry no further request."""
PLAIN = frozenset({"", "identity", "chunked"})
"""Codings that the body is not packed by."""
GZIP = 16 + zlib.MAX_WBITS
"""zlib's number for gzip with its header and checksum."""
PIECE = 64 << 10
"""Bytes that are unpacked at a time; others are served in between."""
Refuse = Callable[[int, str], Exception]
"""Makes the error of a status and a detail."""


class CheckBody:
    """413 for bodies that are too large, declared or not; 408 for slow ones; 415 for what the path does not take.

    What came as gzip goes on unpacked. The limits hold for either size.
    """

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
            return self._upload(kind, declared, receive, packed=_is_gzip(headers))
        if kind != "application/json" and (length not in ("", "0") or "transfer-encoding" in headers):
            raise ProblemError(415, "not_json", "send the body as 'Content-Type: application/json'")
        return await self._whole(declared, receive, packed=_is_gzip(headers))

    async def _whole(self, declared: int, receive: Receive, *, packed: bool) -> Receive | None:
        """Gives the body that was read; None where the client went away."""
        detail = f"the body is larger than {self._max_bytes} bytes: send fewer questions at once"
        if declared > self._max_bytes:
            raise _problem(413, detail)
        try:
            async with asyncio.timeout(self._seconds):
                body = await _read(_bounded(receive, self._max_bytes, detail, _problem, packed=packed))
        except TimeoutError:
            raise _problem(408, _slow(self._seconds)) from None
        if body is None:
            return None
        sent = False

        async def replayed() -> Message:
            nonlocal sent
            if sent:
                return await receive()
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        return replayed

    def _upload(self, kind: str, declared: int, receive: Receive, *, packed: bool) -> Receive:
        """Gives the body as it comes."""
        most = self._max_upload_bytes
        detail = f"the upload is larger than {most} bytes: split it into several files"
        if kind != "multipart/form-data":
            raise ProblemError(415, "not_a_form", "send the file as 'Content-Type: multipart/form-data'")
        if declared > most:
            raise _problem(413, detail)
        # FastAPI lets no other kind of exception through while it reads a form.
        refuse = partial(HTTPException, headers=CLOSE)
        bounded = _bounded(receive, most, detail, refuse, packed=packed)
        late: float | None = asyncio.get_running_loop().time() + self._upload_seconds

        async def checked() -> Message:
            nonlocal late
            try:
                async with asyncio.timeout_at(late):
                    message = await bounded()
            except TimeoutError:
                raise refuse(408, _slow(self._upload_seconds)) from None
            if not message.get("more_body", False):
                # What is still to come is only that the client leaves.
                late = None
            return message

        return checked


async def _read(receive: Receive) -> bytes | None:
    """The body, or None where the client went away."""
    chunks: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(chunks)


def _is_gzip(headers: Headers) -> bool:
    """Whether the body came as gzip, and not as it is. Any other coding is refused."""
    lines = headers.getlist("content-encoding") + headers.getlist("transfer-encoding")
    codings = [name for name in map(str.strip, ",".join(lines).lower().split(",")) if name not in PLAIN]
    if codings and codings not in (["gzip"], ["x-gzip"]):
        detail = "this server unpacks no such Content-Encoding: send the body as gzip, or as it is"
        raise ProblemError(415, "unsupported_encoding", detail, headers={"Accept-Encoding": "gzip"})
    return bool(codings)


def _bounded(receive: Receive, most: int, detail: str, refuse: Refuse, *, packed: bool) -> Receive:
    """A body of at most so many bytes, as it came and unpacked; of more `refuse(413, detail)` is raised."""

    def counting(source: Receive) -> Receive:
        left = most

        async def counted() -> Message:
            nonlocal left
            message = await source()
            left -= len(message.get("body", b""))
            if left < 0:
                raise refuse(413, detail)
            return message

        return counted

    return counting(_unpacking(counting(receive), refuse)) if packed else counting(receive)


def _unpacking(receive: Receive, refuse: Refuse) -> Receive:
    """What a body of gzip holds, piece by piece; where it is none or breaks off, `refuse(400, ...)` is raised."""
    inner = zlib.decompressobj(GZIP)
    waiting, begun, more, ended = b"", False, True, False

    async def unpacked() -> Message:
        nonlocal inner, waiting, begun, more, ended
        while not ended:
            if inner.eof and waiting:
                # Files of gzip may be joined into one.
                inner = zlib.decompressobj(GZIP)
            try:
                piece = inner.decompress(waiting, PIECE)
            except zlib.error as error:
                raise refuse(400, f"the body is not the gzip that its Content-Encoding says: {error}") from error
            waiting = inner.unused_data if inner.eof else inner.unconsumed_tail
            if piece or waiting:
                await asyncio.sleep(0)
            elif more:
                message = await receive()
                if message["type"] != "http.request":
                    return message
                waiting, more = message.get("body", b""), message.get("more_body", False)
                begun = begun or bool(waiting)
            elif begun and not inner.eof:
                raise refuse(400, "the body is gzip that breaks off: send all of it")
            else:
                ended = True
                return {"type": "http.request", "body": b"", "more_body": False}
            if piece:
                return {"type": "http.request", "body": piece, "more_body": True}
        return await receive()

    return unpacked


def _problem(status: int, detail: str) -> ProblemError:
    return ProblemError(status, KNOWN[status][0], detail, headers=CLOSE)


def _slow(seconds: float) -> str:
    return f"the body was not there within {seconds:g} s: send less at once, or over a faster line"
