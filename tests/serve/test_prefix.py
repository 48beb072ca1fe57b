"""A server behind a proxy, under a prefix: `--root-path`, be it that the proxy takes the prefix off or leaves it."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import uvicorn
from fastapi import FastAPI
from typer.testing import CliRunner

from app.cli.main import cli
from app.errors import SetupError
from app.serve.server_settings import ServerSettings
from tests.serve.batches.local_server import chat_line
from tests.serve.calls import TEXT, app_of, call, problem
from tests.serve.served import serving

KEY = "a-secret-of-alice"
ALICE = {"authorization": f"Bearer {KEY}"}


def asked(app: FastAPI, root: str, path: str, method: str = "GET", **words: Any) -> httpx.Response:  # noqa: ANN401  # as httpx takes them
    """As uvicorn with `--root-path` hands it over: the prefix stands before every path, there or not."""

    async def main() -> httpx.Response:
        transport = httpx.ASGITransport(app, root_path=root)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as connection:
            return await connection.request(method, root + path, **words)

    return asyncio.run(main())


@pytest.mark.parametrize("root", ["/shop", "/shop/", "/shop/questions", "/v1"])
@pytest.mark.parametrize("left", [False, True], ids=["taken off", "left"])
def test_every_kind_of_path_works_under_a_prefix(tmp_path: Path, root: str, left: bool) -> None:
    app = app_of(keys=f"alice:{KEY}", folder=tmp_path)
    before = root.rstrip("/") if left else ""

    def ask(path: str, method: str = "GET", headers: Mapping[str, str] = ALICE, **words: Any) -> httpx.Response:  # noqa: ANN401  # as httpx takes them
        return asked(app, root, before + path, method, headers=headers, **words)

    for path in ("/livez", "/", "/playground.css", "/samples.json"):
        assert ask(path, headers={}).status_code == 200, path
    for path in ("/metrics", "/docs", "/openapi.json", "/v1/models", "/v1/models/scripted"):
        problem(ask(path, headers={}), 401, "no_valid_key")
        assert ask(path).status_code == 200, path
    assert "unsafe-inline" in ask("/docs").headers["content-security-policy"]
    assert ask("/v1/predict", "POST", json={"questions": [TEXT]}).json()["predictions"][0]["answer"]
    problem(ask("/v1/predict", "POST", content=b"{}", headers={**ALICE, "content-type": "text/plain"}), 415, "not_json")
    problem(ask("/v1/files", "POST", json={}), 415, "not_a_form")
    problem(ask("/v1/file", "POST", json={}), 404, "no_such_path")
    assert 'route="/v1/models"' in ask("/metrics").text
    assert 'route="(none)"' in ask("/metrics").text


def test_limits_of_bodies_and_of_the_queue_hold_under_a_prefix(tmp_path: Path) -> None:
    app = app_of(folder=tmp_path, max_body_bytes=1024, max_upload_bytes=2048, max_pending=1, rate_limit=1)
    form = {"data": {"purpose": "batch"}, "files": {"file": ("a", b"a" * 1500)}}
    problem(asked(app, "/shop", "/v1/files", "POST", **form), 503, "not_ready")
    form["files"] = {"file": ("a", b"a" * 3000)}
    problem(asked(app, "/shop", "/shop/v1/files", "POST", **form), 413, "body_too_large")
    questions = {"questions": [TEXT]}
    assert asked(app, "/shop", "/v1/predict", "POST", json=questions).status_code == 200
    problem(asked(app, "/shop", "/shop/v1/predict", "POST", json=questions), 429, "too_fast")
    many = {"questions": [{**TEXT, "prompt": "a" * 1500}]}
    problem(asked(app, "/shop", "/v1/predict", "POST", json=many), 413, "body_too_large")


@pytest.mark.parametrize("root", ["shop", "/shop", "/shop/"])
def test_the_prefix_may_stand_in_the_settings(root: str) -> None:
    app = app_of(root_path=root)
    for path in ("/shop/v1/models", "/v1/models"):
        assert call(app, "GET", path).status_code == 200
    assert call(app, "GET", "/shop/openapi.json").json()["servers"] == [{"url": "/shop"}]
    problem(call(app, "GET", "/shopping/v1/models"), 404, "no_such_path")
    problem(call(app, "GET", "/shop/shop/v1/models"), 404, "no_such_path")


@pytest.mark.parametrize("path", ["/shop", "/shop/"])
def test_the_bare_prefix_leads_to_the_page(path: str) -> None:
    """Its own names, such as playground.css, are relative."""
    response = call(app_of(root_path="/shop", keys=f"alice:{KEY}"), "GET", path)
    if path == "/shop":
        assert (response.status_code, response.headers["location"]) == (307, "/shop/")
        assert response.headers["x-request-id"]
    else:
        assert response.status_code == 200
        assert "<title>ShopBench playground" in response.text


def test_without_a_prefix_the_document_names_no_server() -> None:
    assert "servers" not in call(app_of(), "GET", "/openapi.json").json()


def test_a_prefix_that_is_none_is_refused() -> None:
    for root in ("/a//b", "http://example.com/a", "/a b", "//a"):
        with pytest.raises(SetupError, match="root_path"):
            ServerSettings.parse({"root_path": root})
    refused = CliRunner().invoke(cli, ["serve", "--root-path", "/a//b"])
    assert isinstance(refused.exception, SetupError)
    assert "root_path: '/a//b' is no prefix" in str(refused.exception)


@pytest.mark.parametrize("left", [False, True], ids=["taken off", "left"])
def test_uvicorns_own_option_serves_files_and_batches(tmp_path: Path, left: bool) -> None:
    """With OpenAI's client, over a real connection, as `uvicorn --factory --root-path /shop` does."""
    app = app_of(keys=f"alice:{KEY}", folder=tmp_path)
    server = uvicorn.Server(uvicorn.Config(app, root_path="/shop", log_config=None, loop="asyncio"))
    with serving(server) as port:
        root = f"http://127.0.0.1:{port}{'/shop' if left else ''}"
        client = openai.OpenAI(base_url=f"{root}/v1", api_key=KEY, max_retries=0)
        text = json.dumps(chat_line("a")).encode()
        file = client.files.create(file=("in.jsonl", text), purpose="batch")
        batch = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
        while (found := client.batches.retrieve(batch.id)).status != "completed":
            assert found.status in ("validating", "in_progress", "finalizing")
        assert client.files.content(found.output_file_id or "").text
        assert httpx.get(f"{root}/openapi.json", headers=ALICE).json()["servers"] == [{"url": "/shop"}]
        assert httpx.get(f"{root}/").status_code == 200


@pytest.mark.parametrize(("forwarded", "status"), [("203.0.113.7", 403), ("127.0.0.1", 200), ("", 200)])
def test_without_keys_a_proxy_of_this_machine_brings_no_others_in(forwarded: str, status: int) -> None:
    """nginx by itself names this machine as Host, whoever asks."""
    with serving(app_of()) as port:
        headers = {"x-forwarded-for": forwarded} if forwarded else {}
        assert httpx.get(f"http://127.0.0.1:{port}/v1/models", headers=headers).status_code == status


def test_whose_word_about_the_address_counts_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "203.0.113.1")
    with serving(app_of()) as port:
        headers = {"x-forwarded-for": "203.0.113.7"}
        assert httpx.get(f"http://127.0.0.1:{port}/v1/models", headers=headers).status_code == 200
