"""A replica without Ray, and what becomes of replicas that are lost."""

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from app.errors import EngineError
from app.jobs.ray.replica import Answered, Replica
from app.types import GenerationRequest, Message, SamplingParams
from tests.jobs.stepped_engine import SteppedEngine


def requests(count: int) -> list[GenerationRequest]:
    def asking(number: int) -> GenerationRequest:
        return GenerationRequest(str(number), (Message("user", f"no. {number}"),), SamplingParams(20))

    return [asking(number) for number in range(count)]


def loaded(engine: SteppedEngine) -> Replica:
    replica = Replica(lambda: engine, 1)
    said = replica.load()
    assert (said.name, said.version, said.dtype, said.context_length) == ("stepped", engine.version, "float32", 4096)
    return replica


def all_of(replica: Replica, asked: list[GenerationRequest]) -> Iterator[Answered]:
    given, left = asked, len(asked)
    while left:
        answered = replica.answer(given)
        given = []
        left -= len(answered.completions)
        yield answered


def test_every_request_is_answered_once_also_after_a_pause() -> None:
    replica = loaded(SteppedEngine())
    for _ in range(2):
        done = [completion.id for answered in all_of(replica, requests(30)) for completion in answered.completions]
        assert sorted(done, key=int) == [str(number) for number in range(30)]
    assert replica.answer([]) == Answered([], 0)


def test_what_is_finished_does_not_wait_for_what_is_not() -> None:
    replica = loaded(SteppedEngine(step_seconds=0.02))
    short, *long = requests(8)
    short = replace(short, sampling=SamplingParams(1))
    first = next(all_of(replica, [short, *long]))
    assert [completion.id for completion in first.completions] == [short.id]
    assert first.in_flight == 7


def test_an_engine_that_fails_is_told_to_whoever_waits() -> None:
    class Failing(SteppedEngine):
        def _step(self) -> None:
            raise EngineError("lost the GPU")

    replica = loaded(Failing())
    started = time.monotonic()
    with pytest.raises(EngineError, match="lost the GPU"):
        replica.answer(requests(1))
    assert time.monotonic() - started < 0.4
