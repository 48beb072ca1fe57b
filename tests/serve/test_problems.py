import asyncio
import errno
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.errors import EngineError
from app.types import GenerationRequest
from tests.serve.batches.local_server import local
from tests.serve.calls import CHOICE, app_of, call, predict, problem, talk
from tests.serve.scripted_async_engine import ScriptedAsyncEngine

JSON = {"content-type": "application/json"}
CHAT: dict[str, object] = {"model": "scripted", "messages": [{"role": "user", "content": "Name a garden chair."}]}


def test_no_such_path() -> None:
    problem(call(app_of(), "GET", "/nothing"), 404, "no_such_path")


def test_method_not_allowed_lists_what_is() -> None:
    response = call(app_of(), "GET", "/v1/predict")
    problem(response, 405, "method_not_allowed")
    assert response.headers["allow"] == "POST"


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"nul", b"[" * 100_000, b'{"a": ' + b"9" * 10_000 + b"}"])
def test_what_is_not_json_is_400_or_422(body: bytes) -> None:
    response = call(app_of(), "POST", "/v1/predict", content=body, headers=JSON)
    assert response.status_code in (400, 422)
    problem(response, response.status_code, "bad_request" if response.status_code == 400 else "invalid_request")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_other_kinds_of_body_are_415(kind: str) -> None:
    headers = {"content-type": kind} if kind else {}
    problem(call(app_of(), "POST", "/v1/predict", content=b"{}", headers=headers), 415, "not_json")


def test_a_large_body_is_413_whether_declared_or_not() -> None:
    app = app_of(max_body_bytes=1024)
    problem(call(app, "POST", "/v1/predict", content=b" " * 1025, headers=JSON), 413, "body_too_large")

    async def undeclared() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b" " * 256

    response = call(app, "POST", "/v1/predict", content=undeclared(), headers=JSON)
    assert "content-length" not in response.request.headers
    problem(response, 413, "body_too_large")


FORM = {"content-type": "multipart/form-data; boundary=x"}


def upload(folder: Path, **words: Any) -> httpx.Response:  # noqa: ANN401  # as httpx takes them
    async def main() -> httpx.Response:
        async with local(folder) as server:
            words["headers"] = {**words.get("headers", {}), "authorization": "Bearer a-secret-of-alice"}
            return await server.http.post("/files", **words)

    return asyncio.run(main())


def test_a_form_that_cannot_be_read_is_told_as_a_form(tmp_path: Path) -> None:
    response = upload(tmp_path, content=b"no form", headers=FORM)
    assert problem(response, 400, "bad_request")["detail"].startswith("the form cannot be read: ")


def test_a_full_temporary_folder_is_507(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("starlette.datastructures.UploadFile.write", full)
    form = {"data": {"purpose": "batch"}, "files": {"file": ("a.jsonl", b"{}")}}
    problem(upload(tmp_path, **form), 507, "storage_full")


def test_errors_of_the_server_have_the_headers_of_safety() -> None:
    async def broken(_: GenerationRequest) -> str:
        raise ZeroDivisionError

    response = predict(app_of(ScriptedAsyncEngine(broken)), CHOICE)
    problem(response, 500, "internal")
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["cache-control"] == "no-store"


async def trickling(beginning: bytes) -> AsyncIterator[bytes]:
    yield beginning
    for _ in range(200):
        yield b" "
        await asyncio.sleep(0.05)


def test_a_slow_body_is_408() -> None:
    response = call(app_of(body_timeout=0.3), "POST", "/v1/predict", content=trickling(b"{"), headers=JSON)
    problem(response, 408, "body_too_slow")
    assert response.headers["connection"] == "close"


def test_a_slow_upload_is_408(tmp_path: Path) -> None:
    content = trickling(b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n')
    app = app_of(folder=tmp_path, upload_timeout=0.3)
    response = call(app, "POST", "/v1/files", content=content, headers=FORM)
    problem(response, 408, "body_too_slow")


@pytest.mark.parametrize(("given", "kept"), [("abc-1.2_X", True), ("a b", False), ("x" * 65, False), ("\u00e9", False)])
def test_request_ids_are_kept_where_harmless(given: str, kept: bool) -> None:
    response = call(app_of(), "GET", "/livez", headers={"x-request-id": given.encode("latin-1")})
    assert (response.headers["x-request-id"] == given) is kept


OPENAI = ("message", "type", "param", "code")


@pytest.mark.parametrize(
    ("words", "status", "kind", "param", "code"),
    [
        ({"content": b"{", "headers": JSON}, 400, "invalid_request_error", None, "bad_request"),
        ({"json": {}, "headers": {"authorization": "Bearer x"}}, 401, "authentication_error", None, "no_valid_key"),
        ({"json": {"model": "pearl", "messages": []}}, 422, "invalid_request_error", "messages", "invalid_request"),
        ({"json": CHAT | {"model": "pearl"}}, 404, "invalid_request_error", "model", "no_such_model"),
        ({"json": CHAT, "headers": {"x-request-timeout": "no"}}, 422, "invalid_request_error", "x-request-timeout",
         "invalid_request"),
        ({"content": b"{}", "headers": {"content-type": "text/plain"}}, 415, "invalid_request_error", None, "not_json"),
        ({"json": CHAT | {"user": "a" * 9000}}, 413, "invalid_request_error", None, "body_too_large"),
        ({"json": CHAT | {"n": 3}}, 422, "invalid_request_error", None, "too_many_questions"),
    ],
)  # fmt: skip
def test_every_error_is_what_openais_clients_read_too(
    words: dict[str, Any], status: int, kind: str, param: str | None, code: str
) -> None:
    words = {**words, "headers": {"authorization": "Bearer a-secret", **words.get("headers", {})}}
    app = app_of(keys="tests:a-secret", max_body_bytes=8192, max_pending=2)
    told = problem(call(app, "POST", "/v1/chat/completions", **words), status, code)
    assert tuple(told["error"]) == OPENAI
    assert tuple(told["error"].values()) == (told["detail"], kind, param, code)


@pytest.mark.parametrize("stream", [False, True])
def test_an_engine_that_fails_says_so_to_openais_clients(stream: bool) -> None:
    async def failing(request: GenerationRequest) -> str:
        if request.sampling.seed % 2:
            raise EngineError("secret")
        return "words"

    body = CHAT | {"stream": stream, "n": 2, "seed": 0}
    response = call(app_of(ScriptedAsyncEngine(failing)), "POST", "/v1/chat/completions", json=body)
    if stream:
        events = [line.removeprefix("data: ") for line in response.text.splitlines() if line]
        told = json.loads(events[-1])
        assert "[DONE]" not in events
    else:
        told = problem(response, 503, "engine_failed")
    assert told["error"] == {"message": told["detail"], "type": "server_error", "param": None, "code": "engine_failed"}
    assert "secret" not in response.text


def test_who_is_too_fast_hears_it_as_from_openai() -> None:
    async def work(connection: httpx.AsyncClient) -> httpx.Response:
        await connection.post("/v1/chat/completions", json=CHAT)
        return await connection.post("/v1/chat/completions", json=CHAT)

    told = problem(talk(app_of(rate_limit=1), work), 429, "too_fast")
    assert told["error"]["type"] == "rate_limit_error"
