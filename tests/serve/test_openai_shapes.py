"""The OpenAI-compatible routes without vLLM."""

import json
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from app.openai.chat import ChatRequest
from app.types import GenerationRequest, JsonSchema
from tests.serve.calls import app_of, call, problem
from tests.serve.scripted_async_engine import ScriptedAsyncEngine

BODY: dict[str, Any] = {"model": "scripted", "messages": [{"role": "user", "content": "Name a garden chair."}]}


@pytest.mark.parametrize("name", ["n", "stream", "logprobs", "top_logprobs"])
def test_null_is_as_good_as_nothing(tmp_path: Path, name: str) -> None:
    app = app_of(folder=tmp_path)
    response = call(app, "POST", "/v1/chat/completions", json={**BODY, name: None})
    assert response.status_code == 200, response.text
    assert response.json()["object"] == "chat.completion"


def test_a_developer_speaks_for_the_system() -> None:
    request = ChatRequest.model_validate({**BODY, "messages": [{"role": "developer", "content": "Be brief."}]})
    assert request.messages[0].role == "system"


def test_a_model_is_found_whose_name_is_a_path(tmp_path: Path) -> None:
    engine = ScriptedAsyncEngine()
    engine.adapters = {"shop/mini": None}
    app = app_of(engine, folder=tmp_path)
    for path in ("/v1/models/shop/mini", "/v1/models/shop%2Fmini"):
        assert call(app, "GET", path).json()["id"] == "shop/mini"
    problem(call(app, "GET", "/v1/models/shop"), 404, "no_such_model")


def test_the_document_tells_of_keys_and_deadlines(tmp_path: Path) -> None:
    document = call(app_of(folder=tmp_path), "GET", "/openapi.json").json()
    assert document["security"] == [{"key": []}]
    for path in ("/livez", "/health", "/readyz"):
        assert document["paths"][path]["get"]["security"] == []
    assert "security" not in document["paths"]["/metrics"]["get"]
    for path in ("/v1/predict", "/v1/route", "/v1/chat/completions", "/v1/completions"):
        names = [parameter["name"] for parameter in document["paths"][path]["post"]["parameters"]]
        assert names == ["x-request-timeout"]
    assert "/v1/models/{model}" in document["paths"]


async def seed_of(request: GenerationRequest) -> str:
    return f"{request.prompt} {request.sampling.seed}"


PROMPTS = {"model": "scripted", "prompt": ["An armchair is", [4, 5]], "n": 2, "seed": 7}


def test_each_prompt_has_its_answers_one_after_the_other() -> None:
    made = call(app_of(ScriptedAsyncEngine(seed_of)), "POST", "/v1/completions", json=PROMPTS).json()
    assert (made["object"], made["id"][:5]) == ("text_completion", "cmpl-")
    texts = ["An armchair is 7", "An armchair is 8", "(4, 5) 7", "(4, 5) 8"]
    assert [(one["index"], one["text"]) for one in made["choices"]] == list(enumerate(texts))
    assert {(one["finish_reason"], one["logprobs"]) for one in made["choices"]} == {("stop", None)}
    assert made["usage"] == {"prompt_tokens": 2, "completion_tokens": 4, "total_tokens": 6}, "a prompt counts once"


def events(app: FastAPI, path: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    response = call(app, "POST", path, json={**body, "stream": True, "stream_options": {"include_usage": True}})
    *lines, last = [line.removeprefix("data: ") for line in response.text.splitlines() if line]
    assert last == "[DONE]"
    return [json.loads(line) for line in lines]


def test_prompts_are_answered_as_a_stream() -> None:
    app = app_of(ScriptedAsyncEngine(seed_of))
    *found, last = events(app, "/v1/completions", PROMPTS)
    texts, ends = ["", "", "", ""], []
    for event in found:
        assert (event["object"], event["usage"]) == ("text_completion", None)
        (choice,) = event["choices"]
        texts[choice["index"]] += choice["text"]
        ends += [choice["index"]] if choice["finish_reason"] else []
    assert texts == ["An armchair is 7", "An armchair is 8", "(4, 5) 7", "(4, 5) 8"]
    assert sorted(ends) == [0, 1, 2, 3]
    assert (last["choices"], last["usage"]["total_tokens"]) == ([], 6)


TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {"seats": {}}}}}
    for name in ("find", "buy")
]
NAMED = {**BODY, "tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "find"}}}
REQUIRED = {**BODY, "tools": TOOLS, "tool_choice": "required"}


async def calling(request: GenerationRequest) -> str:
    assert isinstance(request.constraint, JsonSchema)
    assert [tool["function"]["name"] for tool in json.loads(request.tools)] == ["find", "buy"]
    if json.loads(request.constraint.schema)["type"] == "object":
        return '{"seats":2}'
    return '[{"name":"buy","parameters":{"seats":2}},{"name":"find","parameters":{}}]'


@pytest.mark.parametrize(
    ("body", "calls", "reason"),
    [
        (NAMED, [("find", {"seats": 2})], "stop"),
        (REQUIRED, [("buy", {"seats": 2}), ("find", {})], "tool_calls"),
    ],
)
def test_a_call_is_told_as_one(body: dict[str, Any], calls: list[tuple[str, object]], reason: str) -> None:
    app = app_of(ScriptedAsyncEngine(calling))
    (choice,) = call(app, "POST", "/v1/chat/completions", json=body).json()["choices"]
    streamed = [piece for event in events(app, "/v1/chat/completions", body) for piece in event["choices"]]
    told = [one for piece in streamed for one in piece["delta"].get("tool_calls", [])]
    assert [one.pop("index") for one in told] == list(range(len(calls)))
    assert choice["message"]["content"] is None
    assert choice["message"]["tool_calls"] == told
    assert not any(piece["delta"].get("content") for piece in streamed)
    assert [(one["function"]["name"], json.loads(one["function"]["arguments"])) for one in told] == calls
    assert len({one["id"] for one in told}) == len(calls)
    assert [choice["finish_reason"], streamed[-1]["finish_reason"]] == [reason, reason]
    # Sent back as it came, with the tool's answer.
    answer = {"role": "tool", "tool_call_id": told[0]["id"], "content": "two"}
    again = {**BODY, "messages": [*BODY["messages"], choice["message"], answer]}
    engine = ScriptedAsyncEngine()
    assert call(app_of(engine), "POST", "/v1/chat/completions", json=again).status_code == 200
    (asked,) = engine.asked
    assert [one["function"]["name"] for one in json.loads(asked.messages[1].calls)] == [name for name, _ in calls]
    assert (asked.messages[2].role, asked.messages[2].call_id) == ("tool", told[0]["id"])
