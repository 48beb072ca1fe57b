"""What becomes of vLLM's own complaints, with the real engine."""

from typing import Any

import pytest

from app.engines.base import Engine
from app.engines.prepared import PreparedRequest
from app.engines.vllm.offline import VllmEngine
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
    def values(prepared: PreparedRequest, end_ids: tuple[int, ...]) -> dict[str, Any]:
        wrong = {"top_p": 2.0} if prepared.request.id == "1" else {}
        return sampling_values(prepared, end_ids) | wrong

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

    inner = engine._engine
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
