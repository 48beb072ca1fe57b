import logging
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from app.errors import EngineError
from app.serve.chat.wire import ChatRequest
from tests.serve.calls import app_of, call
from tests.serve.scripted_chat import ScriptedChat

BODY = {"model": "scripted", "messages": [{"role": "user", "content": "Name a garden chair."}]}
PIECE = 'data: {{"choices": [{{"index": 0, "delta": {{"content": "{}"}}}}]}}\n\n'


class Talking(ScriptedChat):
    async def complete(self, body: ChatRequest) -> dict[str, Any]:
        return {"model": body.model, "choices": [{"index": 0, "message": {"content": "Adirondack"}}]}

    async def stream(self, body: ChatRequest) -> AsyncGenerator[str, None]:
        async def events() -> AsyncGenerator[str, None]:
            yield PIECE.format("Adiron")
            yield PIECE.format("dack")
            if body.n == 2:
                raise EngineError("a prompt's words")
            yield "data: [DONE]\n\n"

        return events()


@pytest.fixture(autouse=True)
def talking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.serve.calls.ScriptedChat", Talking)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("wanted", [False, True])
def test_conversations_are_in_the_log_when_asked_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, *, wanted: bool, stream: bool
) -> None:
    with caplog.at_level(logging.INFO):
        app = app_of(folder=tmp_path, log_prompts=wanted)
        assert call(app, "POST", "/v1/chat/completions", json={**BODY, "stream": stream}).status_code == 200
    lines = [vars(line) for line in caplog.records if line.message == "completed"]
    assert [line["answers"] for line in lines] == [["Adirondack"]] * wanted
    assert ("garden chair" in str(lines)) is wanted


def test_a_stream_that_the_engine_breaks_off_ends_with_our_own_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    body = {**BODY, "stream": True, "n": 2}
    response = call(app_of(folder=tmp_path), "POST", "/v1/chat/completions", json=body)
    assert response.text.startswith(PIECE.format("Adiron"))
    last = response.text.strip().split("\n\n")[-1]
    assert '"type": "engine_failed"' in last
    assert response.headers["x-request-id"] in last
    assert "a prompt's words" not in response.text
    assert "a prompt's words" in str([vars(line) for line in caplog.records])
