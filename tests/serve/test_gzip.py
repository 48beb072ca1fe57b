"""Bodies that come as gzip: as good as what is in them, and never more than the limits allow."""

import asyncio
import gzip
import json
import socket
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.serve.batches.local_server import Local, chat_line, first_error, in_server
from tests.serve.calls import TEXT, app_of, call, problem
from tests.serve.served import raw_request, serving

JSON = {"content-type": "application/json", "content-encoding": "gzip"}
BODY = json.dumps({"questions": [TEXT]}).encode()
PACKED = gzip.compress(BODY)
FORM = {"content-type": "multipart/form-data; boundary=x", "authorization": "Bearer a-secret-of-alice"}


def post(content: bytes | AsyncIterator[bytes], coding: str = "gzip", **settings: Any) -> httpx.Response:  # noqa: ANN401  # as `app_of` takes them
    headers = {**JSON, "content-encoding": coding}
    return call(app_of(**settings), "POST", "/v1/predict", content=content, headers=headers)


async def byte_by_byte(content: bytes) -> AsyncIterator[bytes]:
    for place in range(len(content)):
        yield content[place : place + 1]
    yield b""


@pytest.mark.parametrize("coding", ["gzip", "GZip", "x-gzip", "identity, gzip"])
def test_a_body_of_gzip_is_as_good_as_a_plain_one(coding: str) -> None:
    assert post(PACKED, coding).json()["predictions"] == post(BODY, "identity").json()["predictions"]


def test_gzip_may_come_in_several_members_and_in_any_pieces() -> None:
    joined = gzip.compress(BODY[:20]) + gzip.compress(b"") + gzip.compress(BODY[20:])
    assert post(joined).status_code == 200
    assert post(byte_by_byte(joined)).status_code == 200
    stored = gzip.compress(BODY, compresslevel=0)
    assert post(stored).status_code == 200


def test_gzip_that_goes_over_the_line_in_chunks_is_answered() -> None:
    with serving(app_of()) as port:
        for content in (PACKED, iter([PACKED[:30], PACKED[30:]])):
            response = httpx.post(f"http://127.0.0.1:{port}/v1/predict", content=content, headers=JSON)
            assert response.status_code == 200, response.text


@pytest.mark.parametrize(("coding", "status"), [(b"gzip, chunked", 200), (b"deflate, chunked", 415)])
def test_gzip_of_the_line_itself_is_gzip_too(coding: bytes, status: int) -> None:
    """`Transfer-Encoding` may name it as well, if seldom."""
    head = raw_request("/v1/predict", b"").replace(b"Content-Length: 0", b"Transfer-Encoding: " + coding)
    with serving(app_of()) as port, socket.create_connection(("127.0.0.1", port)) as one:
        one.sendall(head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(PACKED), PACKED))
        assert one.recv(12) == b"HTTP/1.1 %d" % status


@pytest.mark.parametrize(
    "content",
    [
        BODY,
        PACKED[:-1],
        PACKED[:-9],
        PACKED[:5],
        PACKED[:-8] + b"\0\0\0\0" + PACKED[-4:],
        PACKED[:-4] + b"\1\0\0\0",
        PACKED + b"more",
        zlib.compress(BODY),
    ],
    ids=["plain", "cut", "no checksum", "head alone", "checksum", "length", "followed", "zlib"],
)
def test_what_is_no_whole_gzip_is_400(content: bytes) -> None:
    assert "gzip" in problem(post(content), 400, "bad_request")["detail"]


def test_gzip_of_something_else_is_told_as_such() -> None:
    problem(post(gzip.compress(b"no JSON")), 400, "bad_request")
    problem(post(gzip.compress(PACKED)), 400, "bad_request")
    problem(post(b""), 422, "invalid_request")


@pytest.mark.parametrize("coding", ["deflate", "br", "zstd", "compress", "gzip, gzip", "gzip, br", "nonsense"])
def test_other_codings_are_415_and_told_what_is_taken(coding: str) -> None:
    response = post(PACKED, coding)
    assert "gzip" in problem(response, 415, "unsupported_encoding")["detail"]
    assert response.headers["accept-encoding"] == "gzip"


def test_what_is_in_it_counts() -> None:
    text = b" " * (1024 - len(BODY)) + BODY
    assert post(gzip.compress(text), max_body_bytes=1024).status_code == 200
    problem(post(gzip.compress(b" " + text), max_body_bytes=1024), 413, "body_too_large")


def test_a_bomb_takes_no_more_than_the_limit() -> None:
    bomb = gzip.compress(bytes(256 << 20))
    tracemalloc.start()
    try:
        problem(post(bomb, max_body_bytes=1 << 20), 413, "body_too_large")
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_gzip_that_holds_nothing_is_bounded_too() -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield gzip.compress(b"") * 100

    problem(post(endless(), max_body_bytes=4096), 413, "body_too_large")


def test_a_client_that_leaves_in_the_middle_of_gzip_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    async def main(port: int) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(raw_request("/v1/predict", PACKED[:20], "Content-Encoding: gzip", declared=len(PACKED)))
        await writer.drain()
        writer.close()

    with serving(app_of()) as port:
        asyncio.run(main(port))
    assert "unexpected error" not in caplog.text


def form_of(content: bytes) -> bytes:
    head = b'--x\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
    head += b'--x\r\nContent-Disposition: form-data; name="file"; filename="in.jsonl"\r\n\r\n'
    return head + content + b"\r\n--x--\r\n"


def test_an_upload_may_come_as_gzip(tmp_path: Path) -> None:
    text = json.dumps(chat_line("a")).encode() + b"\n"

    async def send(server: Local, content: bytes, coding: str = "gzip") -> httpx.Response:
        return await server.http.post("/files", content=content, headers={**FORM, "content-encoding": coding})

    async def work(server: Local) -> None:
        made = (await send(server, gzip.compress(form_of(text)))).json()
        assert made["bytes"] == len(text)
        assert (await server.alice.files.content(made["id"])).content == text
        large = form_of(b"a" * 10_000)
        problem(await send(server, gzip.compress(large)), 413, "body_too_large")
        problem(await send(server, gzip.compress(form_of(text))[:-9]), 400, "bad_request")
        problem(await send(server, form_of(text)), 400, "bad_request")
        problem(await send(server, form_of(text), "br"), 415, "unsupported_encoding")

    in_server(tmp_path, work, max_upload_bytes=8192)


@pytest.mark.parametrize(
    "after", [b"", b" " * 20_000_000, b"\n" * 20_000_000], ids=["small", "one line", "blank lines"]
)
def test_a_file_of_gzip_in_a_batch_is_read_as_what_is_in_it(tmp_path: Path, after: bytes) -> None:
    """Unlike a body that came as gzip, it is kept as it is."""
    content = gzip.compress(json.dumps(chat_line("a")).encode() + after)

    async def work(server: Local) -> None:
        file = await server.alice.files.create(file=("in.jsonl.gz", content), purpose="batch")
        assert file.bytes == len(content)
        batch = await server.alice.batches.create(
            input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
        )
        done = await server.ended(batch)
        assert done.status == ("failed" if after else "completed")
        if after:
            assert first_error(done).code == "file_too_large"

    in_server(tmp_path, work, max_upload_bytes=1 << 20)
