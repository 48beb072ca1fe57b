"""An application behind uvicorn in this process: for what only a real connection shows."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.types import ASGIApp

from app.cli.serve import bind
from app.serve.http_server import HttpServer, uvicorn_config
from app.serve.server_settings import ServerSettings


@asynccontextmanager
async def served(app: ASGIApp | uvicorn.Server) -> AsyncIterator[int]:
    """The port, on 127.0.0.1, of an application, or of a server that is set up otherwise."""
    bound = bind("127.0.0.1", 0)
    settings = ServerSettings.parse({"drain_timeout": 1})
    server = app if isinstance(app, uvicorn.Server) else HttpServer(uvicorn_config(app, settings))
    serving = asyncio.create_task(server.serve(sockets=[bound]))
    try:
        while not server.started:
            await asyncio.sleep(0.01)
        yield bound.getsockname()[1]
    finally:
        server.should_exit = True
        await serving


@contextmanager
def serving(app: ASGIApp | uvicorn.Server) -> Iterator[int]:
    """As `served`, in a thread of its own, for clients that wait."""
    started: Future[int] = Future()
    done = threading.Event()

    async def main() -> None:
        async with served(app) as port:
            started.set_result(port)
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    try:
        yield started.result(30)
    finally:
        done.set()
        thread.join()


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[socket.socket]:
    """A connection that takes little before it is read from."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", port))
        yield client
    finally:
        client.close()


def raw_request(path: str, body: bytes, *headers: str, declared: int | None = None) -> bytes:
    """A POST of JSON, byte by byte as it goes over the line."""
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/json",
        f"Content-Length: {len(body) if declared is None else declared}",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
