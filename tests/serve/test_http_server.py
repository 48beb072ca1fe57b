"""What uvicorn must not lose: connections that come while a turn of the event loop is long, requests at its end."""

import asyncio
import http.client
import json
import logging
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from typing import Literal

import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from app.cli.serve import bind
from app.serve.http_server import CONTINUE, KEEP_ALIVE, HttpServer, uvicorn_config
from app.serve.server_settings import ServerSettings
from app.types import GenerationRequest
from tests.serve.calls import TEXT, app_of, happens
from tests.serve.scripted_async_engine import ScriptedAsyncEngine
from tests.serve.served import raw_request, served, serving

CLIENTS = 50
REQUEST = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
ANSWERED = b"HTTP/1.1 204 No Content"
SETTINGS = ServerSettings.parse({"drain_timeout": 5})


async def app(scope: Scope, _: Receive, send: Send) -> None:
    """An empty answer to everything."""
    if scope["type"] == "lifespan":
        return
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@pytest.mark.parametrize(("given", "seconds"), [(0, 0), (0.9, 1), (30, 30)])
def test_a_drain_takes_at_least_the_time_it_was_given(given: float, seconds: int) -> None:
    config = uvicorn_config(app, ServerSettings.parse({"drain_timeout": given}))
    assert config.timeout_graceful_shutdown == seconds


def test_idle_connections_outlive_those_of_common_proxies() -> None:
    assert uvicorn_config(app, SETTINGS).timeout_keep_alive == KEEP_ALIVE > 60


@contextmanager
def clients(port: int) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        yield [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(CLIENTS)]


def ending(server: HttpServer) -> bool:
    """Whether the server has begun to end."""
    return (b"connection", b"close") in server.server_state.default_headers


def ask(opened: list[socket.socket]) -> None:
    for client in opened:
        client.sendall(REQUEST)


def answers(opened: list[socket.socket]) -> list[bytes]:
    """What each received until its connection was closed."""
    heard = []
    for client in opened:
        client.settimeout(30)
        parts = []
        while part := client.recv(4096):
            parts.append(part)
        heard.append(b"".join(parts))
    return heard


@asynccontextmanager
async def started(served: ASGIApp = app, drain: float = 5) -> AsyncIterator[tuple[HttpServer, int]]:
    """A server and its port; leaving waits until it has ended."""
    listening = bind("127.0.0.1", 0)
    server = HttpServer(uvicorn_config(served, ServerSettings.parse({"drain_timeout": drain})))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield server, listening.getsockname()[1]
    finally:
        server.should_exit = True
        await serving


def test_all_who_came_during_a_long_turn_are_taken_in_at_once() -> None:
    async def main() -> int:
        async with started() as (server, port):
            with clients(port):
                for _ in range(10):
                    await asyncio.sleep(0)
                return len(server.server_state.connections)

    assert asyncio.run(main()) == CLIENTS


def test_requests_that_nobody_has_read_at_the_end_are_answered() -> None:
    async def main() -> list[bytes]:
        async with started() as (server, port):
            with clients(port) as opened:
                # One turn of the loop finds it all: connections, requests, and that the server shall end, at which it
                # looks every 0.1 s.
                ask(opened)
                server.should_exit = True
                time.sleep(0.2)
                return await asyncio.to_thread(answers, opened)

    assert [one.partition(b"\r\n")[0] for one in asyncio.run(main())] == [ANSWERED] * CLIENTS


def test_requests_that_come_just_after_the_end_on_open_connections_are_answered() -> None:
    async def main() -> list[bytes]:
        async with started() as (server, port):
            with clients(port) as opened:
                await happens(lambda: len(server.server_state.connections) == CLIENTS)
                server.should_exit = True
                await happens(lambda: ending(server))
                ask(opened)
                return await asyncio.to_thread(answers, opened)

    assert [one.partition(b"\r\n")[0] for one in asyncio.run(main())] == [ANSWERED] * CLIENTS


def test_what_is_answered_during_the_end_says_that_its_connection_ends() -> None:
    held: list[HttpServer] = []

    async def until_the_end(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await happens(lambda: held and ending(held[0]))
        await app(scope, receive, send)

    async def main() -> bytes:
        async with started(until_the_end) as (server, port):
            with clients(port) as opened:
                opened[0].sendall(REQUEST)
                await happens(lambda: server.server_state.tasks)
                held.append(server)
                server.should_exit = True
                return (await asyncio.to_thread(answers, opened))[0]

    assert b"connection: close" in asyncio.run(main())


def test_every_answer_during_the_end_says_that_its_connection_ends() -> None:
    async def main() -> list[bytes]:
        async with started() as (server, port):
            with clients(port) as opened:
                server.should_exit = True
                await happens(lambda: ending(server))
                ask(opened)
                return await asyncio.to_thread(answers, opened)

    assert all(b"connection: close" in one for one in asyncio.run(main()))


def test_what_outlasts_the_drain_gets_a_document_and_no_blame(caplog: pytest.LogCaptureFixture) -> None:
    async def never(_: GenerationRequest) -> str:
        await asyncio.sleep(600)
        return "too late"

    async def main() -> bytes:
        engine = ScriptedAsyncEngine(never)
        async with started(app_of(engine), drain=1) as (server, port):
            with clients(port) as opened:
                opened[0].sendall(raw_request("/v1/predict", json.dumps({"questions": [TEXT]}).encode()))
                await happens(lambda: engine.asked)
                server.should_exit = True
                return (await asyncio.to_thread(answers, opened))[0]

    with caplog.at_level(logging.INFO):
        head, _, body = asyncio.run(main()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503")
    assert b"application/problem+json" in head
    assert json.loads(body)["code"] == "shutting_down"
    (line,) = [vars(line) for line in caplog.records if line.message == "request"]
    assert line["status"] == 503


def test_a_websocket_is_a_request_like_any_other() -> None:
    async def main() -> list[bytes]:
        async with started() as (server, port):
            with clients(port) as opened:
                opened[0].sendall(UPGRADE)
                await happens(lambda: server.server_state.total_requests)
                server.should_exit = True
                return await asyncio.to_thread(answers, opened[:1])

    assert asyncio.run(main())[0].startswith(ANSWERED)


def test_idle_connections_do_not_hold_up_the_end() -> None:
    async def main() -> list[bytes]:
        async with started() as (server, port):
            with clients(port) as opened:
                server.should_exit = True
                return await asyncio.to_thread(answers, opened)

    assert asyncio.run(main()) == [b""] * CLIENTS


QUESTION = json.dumps({"questions": [TEXT]}).encode()
POST = raw_request("/v1/predict", QUESTION)
STREAMED = raw_request("/v1/predict", QUESTION, "Accept: application/x-ndjson")
CHUNKS = b"Transfer-Encoding: chunked\r\n\r\n" + b"%x\r\n%b\r\n0\r\n\r\n" % (len(QUESTION), QUESTION)
LIVE = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def half_closed(*requests: bytes, interim: bool = True) -> list[http.client.HTTPResponse]:
    """What a client hears that ends its side as soon as it has asked, and whose last answer takes its time."""
    answered = threading.Event()

    async def when_asked(_: GenerationRequest) -> str:
        await asyncio.to_thread(answered.wait, 30)
        return "some words"

    found = []
    with serving(app_of(ScriptedAsyncEngine(when_asked))) as port, socket.create_connection(("127.0.0.1", port)) as one:
        one.settimeout(30)
        for request in requests[:-1]:
            one.sendall(request)
            found.append(read_response(one))
        one.sendall(requests[-1])
        one.shutdown(socket.SHUT_WR)
        if interim:
            # The server has seen the end of the client's side, and looks twice whether somebody listens.
            heard = b"".join(one.recv(1) for _ in CONTINUE * 2)
            assert heard == CONTINUE * 2
        answered.set()
        found.append(read_response(one))
        assert one.recv(1) == b""
    return found


def read_response(client: socket.socket) -> http.client.HTTPResponse:
    """As Python's own client reads it; the body is kept in `.heard`."""
    response = http.client.HTTPResponse(client)
    response.begin()
    response.heard = response.read()  # type: ignore[attr-defined]  # kept by `read_response`
    return response


@pytest.mark.parametrize(
    "requests",
    [
        [POST],
        [STREAMED],
        [POST.replace(b"Content-Length: %d\r\n\r\n%b" % (len(QUESTION), QUESTION), CHUNKS)],
        [LIVE, POST],
    ],
    ids=["whole", "stream", "chunked", "kept alive"],
)
def test_a_client_that_ends_its_side_is_answered(requests: list[bytes]) -> None:
    *_, response = half_closed(*requests)
    assert response.status == 200
    assert b"some words" in response.heard  # type: ignore[attr-defined]  # kept by `read_response`
    assert response.getheader("connection") == "close"


def test_a_client_of_the_old_protocol_that_ends_its_side_is_told_nothing_in_between() -> None:
    (response,) = half_closed(POST.replace(b"HTTP/1.1", b"HTTP/1.0"), interim=False)
    assert response.status == 200


def test_all_that_was_asked_before_the_end_is_answered() -> None:
    with serving(app_of()) as port, socket.create_connection(("127.0.0.1", port)) as one:
        one.sendall(LIVE * 3 + POST)
        one.shutdown(socket.SHUT_WR)
        (heard,) = answers([one])
    assert heard.count(b"HTTP/1.1 200 OK") == 4
    assert b"some words" in heard


@pytest.mark.parametrize(
    "request_",
    [POST[:-1], POST[:40], POST.partition(b"Content-Length")[0] + CHUNKS[:-2]],
    ids=["body", "head", "chunk"],
)
def test_half_a_request_and_an_end_is_no_request(request_: bytes) -> None:
    with serving(app_of()) as port, socket.create_connection(("127.0.0.1", port)) as one:
        one.sendall(request_)
        one.shutdown(socket.SHUT_WR)
        assert answers([one]) == [b""]


@pytest.mark.parametrize("request_", [POST, STREAMED], ids=["whole", "stream"])
@pytest.mark.parametrize("ends_first", [False, True])
def test_a_client_that_leaves_is_aborted_though_it_looks_like_one_that_listens(
    request_: bytes, ends_first: bool
) -> None:
    async def never(_: GenerationRequest) -> str:
        await asyncio.sleep(600)
        return "for nobody"

    async def main() -> None:
        engine = ScriptedAsyncEngine(never)
        async with served(app_of(engine)) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request_)
            await happens(lambda: engine.asked)
            if ends_first:
                writer.write_eof()
                assert await reader.readexactly(len(CONTINUE)) == CONTINUE
            assert not engine.aborted
            writer.close()
            await happens(lambda: engine.aborted)

    asyncio.run(main())


def test_a_stream_ends_with_the_next_piece_after_its_client_has_left() -> None:
    """Between the pieces of an answer nobody can be asked."""

    async def main() -> None:
        words = asyncio.Queue[str]()

        async def said(_: GenerationRequest) -> str:
            return await words.get()

        engine = ScriptedAsyncEngine(said)
        async with served(app_of(engine)) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            body = json.dumps({"questions": [TEXT] * 3}).encode()
            writer.write(raw_request("/v1/predict", body, "Accept: application/x-ndjson"))
            words.put_nowait("first")
            await reader.readuntil(b"first")
            await reader.readuntil(b"\r\n")
            writer.close()
            words.put_nowait("second")
            await happens(lambda: engine.aborted)

    asyncio.run(main())


def asked_of(*pieces: bytes) -> tuple[list[bytes], list[Scope]]:
    """What a server answers to these bytes, and the requests that it saw, their bodies read."""
    seen: list[Scope] = []

    async def noting(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            while (await receive()).get("more_body"):
                pass
            seen.append(scope)
        await app(scope, receive, send)

    async def main() -> list[bytes]:
        async with started(noting) as (_, port):
            with socket.create_connection(("127.0.0.1", port)) as client:

                def talk() -> list[bytes]:
                    with suppress(ConnectionError):
                        for piece in pieces:
                            client.sendall(piece)
                        client.shutdown(socket.SHUT_WR)
                    client.settimeout(20)
                    heard = b""
                    with suppress(ConnectionError, TimeoutError):
                        while (b"\r\n\r\n" not in heard or b'{"' in heard) and (part := client.recv(65536)):
                            heard += part
                    return [heard]

                return await asyncio.to_thread(talk)

    return asyncio.run(main()), seen


HEAD = b"POST / HTTP/1.1\r\nHost: test\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"
PIECE = b"a" * 65_536


@pytest.mark.parametrize(
    "pieces",
    [
        [HEAD, *[b"X: " + b"a" * 8000 + b"\r\n"] * 9, b"\r\n"],
        [HEAD, b"X: ", *[PIECE] * 200],
        [b"GET /", *[PIECE] * 200],
    ],
    ids=["large", "one that never ends", "a path"],
)
def test_headers_beyond_the_limits_are_431_before_they_are_whole(pieces: list[bytes]) -> None:
    (heard,), seen = asked_of(*pieces)
    assert seen == []
    # Where the rest comes after the end the kernel may drop the answer with the connection.
    if heard:
        head, _, body = heard.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 431")
        assert json.loads(body)["code"] == "headers_too_large"
    assert heard or len(pieces) > 100


MANY, LARGE = b"X: 1\r\n" * 100, (b"X: " + b"a" * 1000 + b"\r\n") * 66


@pytest.mark.parametrize(
    ("protocol", "headers"),
    [("httptools", MANY), ("httptools", LARGE), ("h11", MANY)],  # h11 itself may refuse what is large
    ids=["many", "large", "many to h11"],
)
def test_headers_are_bounded_whatever_reads_them(protocol: Literal["h11", "httptools"], headers: bytes) -> None:
    """As `uvicorn --factory` does it, whose httptools bounds nothing."""
    server = uvicorn.Server(uvicorn.Config(app_of(), http=protocol, loop="asyncio", log_config=None))
    with serving(server) as port, socket.create_connection(("127.0.0.1", port)) as one:
        one.sendall(LIVE[:-2] + headers + b"\r\n")
        response = read_response(one)
    assert response.status == 431
    assert json.loads(response.heard)["code"] == "headers_too_large"  # type: ignore[attr-defined]  # kept by `read_response`


def test_headers_at_the_limits_are_taken() -> None:
    (heard,), seen = asked_of(HEAD + b"X: 1\r\n" * 98 + b"Y: " + b"a" * 60_000 + b"\r\n\r\n")
    assert heard.startswith(ANSWERED)
    assert len(seen[0]["headers"]) == 100


def test_a_large_body_is_no_large_header() -> None:
    (heard,), seen = asked_of(HEAD + b"Content-Length: 1310720\r\n\r\n", *[PIECE] * 20)
    assert heard.startswith(ANSWERED)
    assert len(seen) == 1


def test_a_trailer_is_no_header() -> None:
    (heard,), (scope,) = asked_of(CHUNKED + b"Authorization: Bearer a-secret\r\n\r\n")
    assert heard.startswith(ANSWERED)
    assert [name for name, _ in scope["headers"]] == [b"host", b"transfer-encoding"]


@pytest.mark.parametrize("trailers", [[b"X: " + b"1" * 1000 + b"\r\n"] * 70, [b"X: ", *[PIECE] * 200]])
def test_trailers_count_too(trailers: list[bytes]) -> None:
    (heard,), _ = asked_of(CHUNKED, *trailers)
    assert not heard.startswith(ANSWERED)
