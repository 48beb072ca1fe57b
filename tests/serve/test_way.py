"""The way of a question from HTTP to vLLM, in frames of ours: each is a place where somebody has to look."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

import httpx
import pytest

from app.engines.loading import create_async_engine
from app.engines.vllm.engines import AsyncVllmEngine
from app.predictor import AsyncPredictor
from app.prompting import PromptLibrary
from app.serve.app import build_app, guard
from app.serve.middleware.keys import ApiKeys
from app.serve.server_settings import ServerSettings
from app.settings import ROOT
from tests.serve.calls import CHOICE, talk

APP = str(ROOT / "app")
MINI = ROOT / "tests" / "fixtures" / "mini"
MOST = 8
TOKENS = 8192
"""At least as many as the model's vocabulary."""
ROUTES = ("serve/predict.py:predict", "serve/chat.py:complete_chat")
CHAT = {"model": "mini", "messages": [{"role": "user", "content": "Name a garden chair."}]}


def frames_of(coroutine: Any) -> list[str]:  # noqa: ANN401  # coroutines and what they await have no common type
    """The functions of ours that a task is in, the outermost first."""
    found = []
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "ag_frame", None)
        if frame is not None and frame.f_code.co_filename.startswith(APP):
            found.append(f"{Path(frame.f_code.co_filename).relative_to(APP)}:{frame.f_code.co_name}")
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "ag_await", None)
    return found


class StubLlm:
    """Stands where vLLM's engine stands, and notes how it was reached."""

    model_config = SimpleNamespace(max_model_len=1024, dtype="torch.float32")

    def __init__(self) -> None:
        self.here: list[str] = []
        self.tasks: list[list[str]] = []
        self.errored = False

    async def generate(self, *_: object, **__: object) -> AsyncGenerator[Any, None]:
        from vllm.outputs import CompletionOutput, RequestOutput

        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            if frame.f_code.co_filename.startswith(APP):
                self.here.insert(0, f"{Path(frame.f_code.co_filename).relative_to(APP)}:{frame.f_code.co_name}")
            frame = frame.f_back
        others = asyncio.all_tasks() - {asyncio.current_task()}
        self.tasks = [frames_of(task.get_coro()) for task in others]
        await asyncio.sleep(0)
        likely = dict.fromkeys(range(TOKENS), SimpleNamespace(logprob=-1.0))
        output = CompletionOutput(0, "", [2], -1.0, [likely], finish_reason="stop")
        yield RequestOutput("1", None, [1], None, [output], finished=True)


def way(path: str, body: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The frames from the route on."""
    llm = StubLlm()
    monkeypatch.setattr(AsyncVllmEngine, "_start", lambda *_: llm)
    engine = create_async_engine("vllm", MINI, {})
    predictor = AsyncPredictor(engine, PromptLibrary(ROOT / "prompts"))
    app = build_app(guard(predictor, ServerSettings.parse({})), ApiKeys.parse(""))

    async def work(connection: httpx.AsyncClient) -> httpx.Response:
        return await connection.post(path, json=body)

    assert talk(app, work).status_code == 200
    (asking,) = [found for found in llm.tasks if any(one in ROUTES for one in found)]
    start = next(place for place, one in enumerate(asking) if one in ROUTES)
    return asking[start:] + llm.here


@pytest.mark.parametrize(
    ("path", "body"),
    [("/v1/predict", {"questions": [CHOICE]}), ("/v1/chat/completions", CHAT)],
)
def test_the_way_to_vllm_is_short(path: str, body: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    found = way(path, body, monkeypatch)
    print(len(found), *found, sep="\n  ")
    assert len(found) <= MOST, found
