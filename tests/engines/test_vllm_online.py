"""The engine for servers, without vLLM."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.engines.vllm import online
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
    monkeypatch: pytest.MonkeyPatch, constraint: TextConstraint | None, prompt: str, apart: bool
) -> None:
    threads: list[threading.Thread] = []
    monkeypatch.setattr(online, "prepare", lambda *_: threads.append(threading.current_thread()))
    engine = object.__new__(online.AsyncVllmEngine)
    values: dict[str, object] = {"_tokenizer": None, "context_length": 100, "adapters": {}}
    with ThreadPoolExecutor(1) as pool:
        for name, value in {**values, "_tokenising": pool}.items():
            setattr(engine, name, value)
        request = GenerationRequest("a", (Message("user", prompt),), SamplingParams(1), constraint)
        asyncio.run(engine._prepare(request))
    assert [thread is not threading.main_thread() for thread in threads] == [apart]
