import json
import logging
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from app.errors import EngineError
from app.types import Completion, GenerationRequest
from tests.serve.calls import app_of, call
from tests.serve.scripted_async_engine import ScriptedAsyncEngine

BODY = {"model": "scripted", "messages": [{"role": "user", "content": "Name a garden chair."}]}


class Talking(ScriptedAsyncEngine):
    """Says "Adirondack" in two pieces; an odd seed breaks off after these."""

    async def generate(self, request: GenerationRequest) -> Completion:
        return Completion(request.id, "Adirondack", "stop", 5, 2)

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[str | Completion, None]:
        yield "Adiron"
        yield "dac"
        if request.sampling.seed % 2:
            raise EngineError("a prompt's words")
        yield await self.generate(request)


def chunks(text: str) -> list[dict[str, Any]]:
    events = [event.removeprefix("data: ") for event in text.strip().split("\n\n")]
    return [json.loads(event) for event in events if event != "[DONE]"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("wanted", [False, True])
def test_conversations_are_in_the_log_when_asked_for(
    caplog: pytest.LogCaptureFixture, *, wanted: bool, stream: bool
) -> None:
    with caplog.at_level(logging.INFO):
        app = app_of(Talking(), log_prompts=wanted)
        body = {**BODY, "stream": stream, "seed": 0}
        assert call(app, "POST", "/v1/chat/completions", json=body).status_code == 200
    lines = [vars(line) for line in caplog.records if line.message == "completed"]
    assert [line["answers"] for line in lines] == [["Adirondack"]] * wanted
    assert ("garden chair" in str(lines)) is wanted


def test_a_stream_adds_up_to_the_text_of_each_answer() -> None:
    body = {**BODY, "stream": True, "seed": 0, "stream_options": {"include_usage": True}}
    response = call(app_of(Talking()), "POST", "/v1/chat/completions", json=body)
    *pieces, usage = chunks(response.text)
    assert response.text.endswith("data: [DONE]\n\n")
    assert pieces[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert [piece["choices"][0]["delta"].get("content") for piece in pieces] == ["", "Adiron", "dac", "k", None]
    assert [piece["choices"][0]["finish_reason"] for piece in pieces] == [None, None, None, None, "stop"]
    assert (usage["choices"], usage["usage"]["total_tokens"]) == ([], 7)


def test_many_answers_are_streamed_side_by_side_each_with_a_seed_of_its_own() -> None:
    engine = ScriptedAsyncEngine()
    body = {**BODY, "stream": True, "n": 3, "seed": 7}
    found = chunks(call(app_of(engine), "POST", "/v1/chat/completions", json=body).text)
    texts = dict.fromkeys(range(3), "")
    for piece in found:
        texts[piece["choices"][0]["index"]] += piece["choices"][0]["delta"].get("content") or ""
    assert texts == dict.fromkeys(range(3), "some words")
    assert [request.sampling.seed for request in engine.asked] == [7, 8, 9]


def test_who_names_no_seed_gets_another_answer_each_time() -> None:
    engine = ScriptedAsyncEngine()
    app = app_of(engine)
    for _ in range(3):
        assert call(app, "POST", "/v1/chat/completions", json=BODY).status_code == 200
    assert len({request.sampling.seed for request in engine.asked}) == 3


def test_a_stream_that_the_engine_breaks_off_ends_with_our_own_error(caplog: pytest.LogCaptureFixture) -> None:
    response = call(app_of(Talking()), "POST", "/v1/chat/completions", json={**BODY, "stream": True, "seed": 1})
    first, *_, last = response.text.strip().split("\n\n")
    assert '"role": "assistant"' in first
    assert '"code": "engine_failed"' in last
    assert response.headers["x-request-id"] in last
    assert "a prompt's words" not in response.text
    assert "a prompt's words" in str([vars(line) for line in caplog.records])
