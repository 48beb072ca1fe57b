"""uvicorn, set up so that it bounds headers and loses no request that has arrived, be it under load or at its end."""

import asyncio
import json
import math
import select
import socket

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.serve.middleware.headers import MAX_HEAD_BYTES, too_large
from app.serve.problems import MEDIA_TYPE, document
from app.serve.server_settings import ServerSettings

KEEP_ALIVE = 75
"""Seconds that an idle connection is kept: longer than common clients and proxies keep theirs (nginx and Amazon's load
balancers 60, aiohttp 15, httpx 5), or they send the next request on one that is just being closed."""
LAST_WORDS = 1.0
"""Seconds that a draining server waits for requests on connections that it has accepted."""
PAUSE = 0.02
FIRST_LOOK, LONGEST_LOOK = 0.05, 10.0
"""Seconds between looks at whether a client that sends nothing more still listens: twice as long each time."""
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def uvicorn_config(app: ASGIApp, settings: ServerSettings) -> uvicorn.Config:
    """How uvicorn runs the application. It takes whole seconds only.

    asyncio's own event loop, because uvloop's takes one new connection per turn (libuv's `uv_listen`): where a turn is
    long, as it is under load, the kernel's queue overflows and clients wait for seconds in front of an idle server.
    """
    return uvicorn.Config(
        app,
        loop="asyncio",
        http=BoundedHttp,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=math.ceil(settings.drain_timeout),
    )


class BoundedHttp(HttpToolsProtocol):
    """uvicorn's protocol on httptools, which has no limit: 431 for large heads, and no trailer becomes a header.

    A client that has sent its request and ends its side of the connection is answered, where uvicorn hangs up.
    """

    _head_bytes = _silent = 0
    """What there is of this request's head, and bytes since the parser last had something to tell but a header."""
    _ended = _refused = False

    def data_received(self, data: bytes) -> None:
        """Feed the parser, which keeps what it has of a header to itself until that is whole."""
        self._silent += len(data)
        super().data_received(data)
        if self._silent > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._refused = True
            self.send_400_response("")

    def eof_received(self) -> bool:  # type: ignore[override]  # uvicorn's says what asyncio takes for False
        """The client sends nothing more; what it has asked for is answered. True keeps the connection for that."""
        cycle = self.cycle
        # asyncio closes TLS whatever is said here.
        if self.scheme == "https" or cycle is None or cycle.response_complete or cycle.more_body:
            return False
        cycle.keep_alive = False
        self._look(FIRST_LOOK)
        return True

    def _look(self, wait: float) -> None:
        """See whether the client listens or has left, which begins alike: who has left resets what it is sent.

        An interim response is what every client of HTTP/1.1 must take and ignore at any time before the answer.
        """
        if self.transport.is_closing():
            return
        if self.transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self.transport.abort()
            return
        if not (self.pipeline or self.cycle.response_started) and self.scope["http_version"] == "1.1":
            self.transport.write(CONTINUE)
        self.loop.call_later(wait, self._look, min(2 * wait, LONGEST_LOOK))

    def on_message_begin(self) -> None:
        """A request begins."""
        self._head_bytes = self._silent = 0
        self._ended = False
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """A piece of the path."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer, which nobody here reads: merged, it would stand for what a proxy has checked."""
        self._count(len(name) + len(value))
        if not self._ended:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._ended, self._silent = True, 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._silent = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._silent = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """What uvicorn does for bytes that it cannot read; for too many of them a problem document."""
        if not self._refused:
            super().send_400_response(msg)
            return
        if self.cycle is None or self.cycle.response_complete:
            body = json.dumps(document(too_large())).encode()
            head = f"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: {MEDIA_TYPE}\r\n"
            head += f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
            self.transport.write(head.encode() + body)
        self.transport.close()

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refused = True
            # The parser ends at this, and asks for the response above.
            raise ValueError("the headers are too large")


class HttpServer(uvicorn.Server):
    """Ends only after it has answered what was on its way when the end was asked for.

    uvicorn itself closes connections whose request it has not read yet, which resets them.
    """

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take in the connections that wait in the kernel, answer what comes on them, then end as uvicorn does."""
        # Every response from here on tells its client to send nothing more on this connection.
        self.server_state.default_headers.append((b"connection", b"close"))
        for listening in sockets or []:
            await self._empty(listening)
        for server in self.servers:
            server.close()
        await self._hear_out()
        await super().shutdown(sockets)

    async def _empty(self, listening: socket.socket) -> None:
        # With so short a queue the kernel drops who comes now; they knock again, and find the address closed.
        listening.listen(0)
        waiting = select.poll()
        waiting.register(listening, select.POLLIN)
        until = self._limit()
        while waiting.poll(0) and _now() < until:
            await asyncio.sleep(0)

    async def _hear_out(self) -> None:
        until = self._limit()
        while not self.force_exit and _now() < until:
            await asyncio.sleep(PAUSE)
            if not self.server_state.connections:
                return
            for connection in self.server_state.connections:
                cycle = connection.cycle if isinstance(connection, HttpToolsProtocol) else None
                if cycle is not None and not cycle.response_complete:
                    # Only lets the response say so too, where the request came before that.
                    connection.shutdown()

    def _limit(self) -> float:
        allowed = self.config.timeout_graceful_shutdown
        return _now() + (LAST_WORDS if allowed is None else min(LAST_WORDS, allowed))


def _now() -> float:
    return asyncio.get_running_loop().time()
