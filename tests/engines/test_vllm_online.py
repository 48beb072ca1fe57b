"""The engine for servers, without a model behind it."""

import asyncio
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from app.engines.loading import create_async_engine
from app.engines.vllm import engines
from app.types import GenerationRequest, JsonSchema, Message, Regex, SamplingParams, TextConstraint


@pytest.mark.parametrize(
    ("constraint", "prompt", "apart"),
    [
        (Regex(".*" * 120), "short", True),
        (JsonSchema('{"type": "object"}'), "short", True),
        (None, "long" * 2000, True),
        (None, "short", False),
    ],
)
def test_what_takes_long_to_prepare_is_prepared_beside_the_event_loop(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch, constraint: TextConstraint | None, prompt: str, apart: bool
) -> None:
    threads: list[threading.Thread] = []
    monkeypatch.setattr(engines, "prepare", lambda *_: threads.append(threading.current_thread()))
    llm = SimpleNamespace(model_config=SimpleNamespace(max_model_len=100, dtype="torch.float32"), shutdown=list)
    monkeypatch.setattr(engines.AsyncVllmEngine, "_start", lambda *_: llm)
    engine = create_async_engine("vllm", checkpoint, {})
    assert isinstance(engine, engines.AsyncVllmEngine)
    request = GenerationRequest("a", (Message("user", prompt),), SamplingParams(1), constraint)
    asyncio.run(engine._prepare(request))
    engine.close()
    assert [thread is not threading.main_thread() for thread in threads] == [apart]
