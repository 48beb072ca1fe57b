"""The OpenAI-compatible routes without vLLM."""

from pathlib import Path

import pytest

from app.openai.chat import ChatRequest
from tests.serve.calls import app_of, call, problem
from tests.serve.scripted_async_engine import ScriptedAsyncEngine

BODY = {"model": "scripted", "messages": [{"role": "user", "content": "Name a garden chair."}]}


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
    for path in ("/livez", "/readyz"):
        assert document["paths"][path]["get"]["security"] == []
    assert "security" not in document["paths"]["/metrics"]["get"]
    for path in ("/v1/predict", "/v1/route", "/v1/chat/completions"):
        names = [parameter["name"] for parameter in document["paths"][path]["post"]["parameters"]]
        assert names == ["x-request-timeout"]
    assert "/v1/models/{model}" in document["paths"]
