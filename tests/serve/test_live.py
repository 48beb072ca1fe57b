"""The real server on the real engine."""

import json
import os
import signal
import time

import httpx
import pytest

from app.rows import read_rows
from app.settings import ROOT
from tests.serve.live_server import LONG, SLOW_CHAT, LiveServer, settle

pytestmark = pytest.mark.timeout(600, func_only=True)


def sample() -> list[dict[str, object]]:
    rows = [row.question for row in read_rows(ROOT / "data" / "sample.jsonl")]
    return [
        {"id": row.id, "prompt": row.prompt, "is_multiple_choice": row.is_multiple_choice}
        for row in rows
        if row is not None
    ]


def test_the_sample_is_answered_alike_in_one_piece_and_as_a_stream(server: LiveServer) -> None:
    with server.connect() as connection:
        body = {"questions": sample(), "timeout": 120}
        whole = connection.post("/v1/predict", json=body)
        assert whole.status_code == 200, whole.text
        streamed = connection.post("/v1/predict", json=body, headers={"accept": "application/x-ndjson"})
    rows = {row["id"]: row for row in map(json.loads, streamed.text.splitlines())}
    predictions = whole.json()["predictions"]
    assert [row["id"] for row in predictions] == [row["id"] for row in sample()]
    assert {row["task_type"] for row in predictions} >= {"multiple-choice", "ranking", "retrieval", "generation"}
    for row in predictions:
        assert row["answer"]
        assert "error" not in row
        assert rows[row["id"]]["answer"] == row["answer"]


def test_pieces_of_text_add_up_to_the_raw_text(server: LiveServer) -> None:
    with server.connect() as connection:
        response = connection.post(
            "/v1/predict", json={"questions": [LONG], "explain": True}, headers={"accept": "application/x-ndjson"}
        )
    routed, *deltas, last = map(json.loads, response.text.splitlines())
    assert routed["event"] == "routed"
    assert len(deltas) > 1
    assert last["raw"].startswith("".join(line["text"] for line in deltas))


def test_what_is_late_is_504_and_aborted_in_the_engine(server: LiveServer) -> None:
    with server.connect() as connection:
        started = time.monotonic()
        response = connection.post("/v1/chat/completions", json=SLOW_CHAT, headers={"x-request-timeout": "0.3"})
        assert response.status_code == 504, response.text
        assert time.monotonic() - started < 5
    settle(server)


def test_a_client_that_loses_patience_is_aborted_in_the_engine(server: LiveServer) -> None:
    with server.connect(timeout=0.5) as connection, pytest.raises(httpx.ReadTimeout):
        connection.post("/v1/chat/completions", json=SLOW_CHAT)
    settle(server)


def test_a_client_that_leaves_a_stream_is_aborted_in_the_engine(server: LiveServer) -> None:
    body = {**SLOW_CHAT, "stream": True}
    with server.connect() as connection, connection.stream("POST", "/v1/chat/completions", json=body) as response:
        assert next(response.iter_bytes()).startswith(b"data: ")
    settle(server)


def test_every_route_of_the_running_server_is_closed_or_listed(server: LiveServer) -> None:
    with server.connect() as connection:
        paths = connection.get("/openapi.json").json()["paths"]
        assert "/v1/chat/completions" in paths
        for path, methods in paths.items():
            for method in methods:
                named = path.replace("{model}", "mini").replace("{name}", "file-1")
                status = httpx.request(method, server.url + named, json={}).status_code
                assert status == (200 if path in ("/livez", "/health", "/readyz") else 401), (method, path)
        text = connection.get("/metrics").text
    assert "vllm:prompt_tokens_total" in text
    assert "shopbench_questions_total" in text


def test_the_log_is_json_without_prompts_and_keys(server: LiveServer) -> None:
    with server.connect() as connection:
        connection.post("/v1/predict", json={"questions": [LONG]}, headers={"x-request-id": "find-me"})
    # The line is written after the answer has left.
    waited = time.monotonic()
    while "find-me" not in (text := server.log.read_text()) and time.monotonic() - waited < 10:
        time.sleep(0.1)
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    (line,) = [line for line in lines if line.get("request_id") == "find-me"]
    assert (line["path"], line["status"], line["key"]) == ("/v1/predict", 200, "tests")
    assert "blue cotton shirt" not in text
    assert "a-secret-for-tests" not in text


def test_an_engine_that_hangs_turns_readiness_red_and_back(server: LiveServer) -> None:
    engine = server.engine_pid()
    os.kill(engine, signal.SIGSTOP)
    try:
        stopped = time.monotonic()
        while httpx.get(f"{server.url}/readyz", timeout=30).status_code == 200:
            assert time.monotonic() - stopped < 10
            time.sleep(0.2)
        assert time.monotonic() - stopped < 10
        assert httpx.get(f"{server.url}/livez").status_code == 200
    finally:
        os.kill(engine, signal.SIGCONT)
    resumed = time.monotonic()
    while httpx.get(f"{server.url}/readyz", timeout=30).status_code != 200:
        assert time.monotonic() - resumed < 20
