"""uvicorn, set up so that it loses no request that has arrived: neither under load nor at its end."""

import asyncio
import math
import select
import socket

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.serve.server_settings import ServerSettings

KEEP_ALIVE = 75
"""Seconds that an idle connection is kept: longer than common clients and proxies keep theirs (nginx and Amazon's load
balancers 60, aiohttp 15, httpx 5), or they send the next request on one that is just being closed."""
LAST_WORDS = 1.0
"""Seconds that a draining server waits for requests on connections that it has accepted."""
PAUSE = 0.02


def uvicorn_config(app: ASGIApp, settings: ServerSettings) -> uvicorn.Config:
    """How uvicorn runs the application. It takes whole seconds only.

    asyncio's own event loop, because uvloop's takes one new connection per turn (libuv's `uv_listen`): where a turn is
    long, as it is under load, the kernel's queue overflows and clients wait for seconds in front of an idle server.
    """
    return uvicorn.Config(
        app,
        loop="asyncio",
        http="httptools",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=math.ceil(settings.drain_timeout),
    )


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
