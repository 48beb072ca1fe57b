"""What becomes of vLLM's own complaints, with the real engine."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.engines.base import Engine
from app.engines.loading import create_async_engine
from app.engines.prepared import PreparedRequest
from app.engines.vllm.engines import AsyncVllmEngine, VllmEngine
from app.engines.vllm.values import sampling_values
from app.errors import EngineError
from app.types import Completion, GenerationRequest, Message, SamplingParams


@pytest.fixture
def engine(engines: dict[str, Engine]) -> VllmEngine:
    found = engines["vllm"]
    assert isinstance(found, VllmEngine)
    return found


def ask(number: str) -> GenerationRequest:
    return GenerationRequest(number, (Message("user", f"Chair {number}?"),), SamplingParams(4))


def test_what_vllm_refuses_is_refused_alone(engine: VllmEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    def values(prepared: PreparedRequest) -> dict[str, Any]:
        wrong = {"top_p": 2.0} if prepared.request.id == "1" else {}
        return sampling_values(prepared) | wrong

    monkeypatch.setattr("app.engines.vllm.values.sampling_values", values)
    found: dict[str, Completion] = {one.id: one for one in engine.generate(map(ask, "012"))}
    error = found["1"].error
    assert error is not None
    assert error.code == "engine"
    assert "top_p" in error.message
    assert [found[number].finish_reason for number in "02"] == ["length", "length"]


def test_a_step_that_fails_is_the_engines_fault_and_nothing_follows_it(
    engine: VllmEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> None:
        raise RuntimeError("CUDA out of memory\nand a long story")

    inner = engine._inner
    assert inner is not None
    asked = list(inner.output_processor.request_states)
    with monkeypatch.context() as patched:
        patched.setattr(inner, "step", fails)
        with pytest.raises(EngineError, match=r"^vLLM failed: CUDA out of memory$"):
            list(engine.generate([ask("0")]))
        with pytest.raises(EngineError, match="failed in an earlier step"):
            next(engine.generate([ask("1")]))
    # The step did nothing at all here, so the engine is as good as before and serves the other tests.
    inner.abort_request([key for key in inner.output_processor.request_states if key not in asked], internal=True)
    engine._sound = True
    assert len(list(engine.generate([ask("2")]))) == 1


class _Llm:
    """vLLM's asynchronous engine, as far as adapters go: a request for one that it cannot load would end it."""

    model_config = SimpleNamespace(max_model_len=1024, dtype="torch.float32")

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def add_lora(self, adapter: SimpleNamespace) -> bool:
        self.asked.append(adapter.lora_name)
        if adapter.lora_name == "bad":
            raise Exception("Call to add_lora method failed: While loading /srv/bad, expected target modules")  # noqa: TRY002  # as vLLM raises
        return True

    def shutdown(self) -> None: ...

    async def generate(self, *_: object, lora_request: SimpleNamespace | None) -> AsyncIterator[object]:
        from vllm.outputs import CompletionOutput, RequestOutput

        assert lora_request is None or lora_request.lora_name == "good"
        output = CompletionOutput(0, "", [2], -1.0, None, finish_reason="stop")
        yield RequestOutput("1", None, [1], None, [output], finished=True)


def test_an_adapter_that_vllm_cannot_load_is_refused_and_the_server_goes_on(
    checkpoint: Path, adapter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    llm = _Llm()
    monkeypatch.setattr(AsyncVllmEngine, "_start", lambda *_: llm)
    engine = create_async_engine("vllm", checkpoint, {"adapters": {"bad": adapter, "good": adapter}})

    async def answers(*adapters: str | None) -> list[Completion]:
        asked = [
            GenerationRequest("1", (Message("user", "Chair?"),), SamplingParams(4), adapter=one) for one in adapters
        ]
        return [await engine.generate(one) for one in asked]

    found = asyncio.run(answers("bad", "good", None, "good", "bad"))
    messages = [one.error and one.error.message for one in found]
    refused = "vLLM cannot load the adapter 'bad'; the server's log has the reason"
    assert messages == [refused, None, None, None, refused]
    assert llm.asked == ["bad", "good", "bad"]
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        asyncio.run(answers("bad"))
