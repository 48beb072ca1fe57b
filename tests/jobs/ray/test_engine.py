"""Many engines as one, without Ray: its actors are objects of this process, which answer when they are waited for."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from ray.exceptions import RayActorError

from app.engines.base import Engine
from app.errors import EngineError, SetupError
from app.jobs.ray import engine as module
from app.jobs.ray.cluster import Machine
from app.jobs.ray.engine import LEAST_WAITING, MOST_DEATHS, MOST_FAILED_LOADS, RayEngine
from app.jobs.ray.replica import Replica
from app.types import GenerationRequest, Message, SamplingParams
from tests.jobs.stepped_engine import SteppedEngine


class DeathError(BaseException):
    """The process is gone."""


class Actor:
    """As Ray's handle of an actor; a call is what `ray.get` has to do for it."""

    def __init__(self, create: Callable[[], Engine], threads: int) -> None:
        self._replica = Replica(create, threads)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # as Ray's handle has it
        def call(*words: object) -> Callable[[], object]:
            return lambda: getattr(self._replica, name)(*words)

        return type("Method", (), {"remote": staticmethod(call)})


def get(call: Callable[[], object]) -> object:
    try:
        return call()
    except DeathError as error:
        raise RayActorError from error


@pytest.fixture(autouse=True)
def _no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def connected(_: str | None) -> Iterator[list[Machine]]:
        yield [Machine(4, 0), Machine(4, 0)]

    remote = type("Remote", (), {"options": lambda _, **__: type("Options", (), {"remote": staticmethod(Actor)})})
    monkeypatch.setattr(module, "connected", connected)
    monkeypatch.setattr("ray.remote", lambda _: remote())
    monkeypatch.setattr("ray.wait", lambda calls, **_: (calls, []))
    monkeypatch.setattr("ray.get", get)


def started(create: Callable[[], Engine]) -> RayEngine:
    return RayEngine(create, SteppedEngine().count_tokens)


def requests(count: int) -> list[GenerationRequest]:
    def asking(number: int) -> GenerationRequest:
        return GenerationRequest(str(number), (Message("user", f"no. {number}"),), SamplingParams(20))

    return [asking(number) for number in range(count)]


class Dying(SteppedEngine):
    """Takes its process with it when it is asked for a certain request."""

    def __init__(self, deadly: Sequence[str], died: "list[Dying] | None" = None) -> None:
        super().__init__()
        self.deadly = deadly
        self.died = [] if died is None else died

    def _step(self) -> None:
        super()._step()
        if any(request.id in self.deadly for request in self.asked):
            self.died.append(self)
            raise DyingError


class DyingError(EngineError):
    """Passed on by the replica's thread; here it stands for the end of the process."""


def test_every_request_is_answered_once_by_one_engine_or_another() -> None:
    made: list[SteppedEngine] = []

    def create() -> SteppedEngine:
        made.append(SteppedEngine())
        return made[-1]

    engine = started(create)
    assert (engine.name, engine.version, engine.dtype, engine.context_length) == ("stepped", "1", "float32", 4096)
    done = [completion.id for completion in engine.generate(requests(200))]
    assert sorted(done, key=int) == [str(number) for number in range(200)]
    assert len(made) == 2
    assert all(one.asked for one in made)
    engine.close()
    engine.close()


def test_few_requests_are_shared_so_that_all_replicas_end_together() -> None:
    made = [SteppedEngine(), SteppedEngine()]
    left = iter(made)
    assert len(list(started(lambda: next(left)).generate(requests(32)))) == 32
    assert [len(one.asked) for one in made] == [16, 16]


def test_no_more_waits_at_a_replica_than_it_soon_needs() -> None:
    pulled = 0

    def source() -> Iterator[GenerationRequest]:
        nonlocal pulled
        for request in requests(5000):
            pulled += 1
            yield request

    engine = started(lambda: SteppedEngine(step_seconds=0.01))
    stream = engine.generate(source())
    next(stream)
    assert pulled <= 2 * (LEAST_WAITING + 16 + 8)


def test_giving_up_ends_the_stream() -> None:
    asked = iter([False, True])
    assert list(started(SteppedEngine).generate(requests(500), lambda: next(asked))) != []
    engine = started(SteppedEngine)
    assert list(engine.generate(requests(5), lambda: True)) == []
    next(engine.generate(requests(100)))  # closed early
    later = [replace(request, id=f"later {request.id}") for request in requests(3)]
    assert sorted(done.id for done in engine.generate(later)) == ["later 0", "later 1", "later 2"]


def test_what_a_lost_replica_had_is_asked_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    lives = iter([["3"], []])
    monkeypatch.setattr("ray.get", dying_get)
    engine = started(lambda: Dying(next(lives, [])))
    done = [completion.id for completion in engine.generate(requests(40))]
    assert sorted(done, key=int) == [str(number) for number in range(40)]


def dying_get(call: Callable[[], object]) -> object:
    try:
        return call()
    except DyingError as error:
        raise RayActorError from error


def test_a_request_that_takes_every_replica_with_it_is_given_up_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ray.get", dying_get)
    died: list[Dying] = []
    engine = started(lambda: Dying(["7"], died))
    with pytest.raises(EngineError, match=f"died {MOST_DEATHS} times while they answered rows [0-7] to [0-9]+ "):
        list(engine.generate(requests(10)))
    assert len(died) == MOST_DEATHS


def test_replicas_agree_on_version_and_number_format() -> None:
    class Half(SteppedEngine):
        dtype = "float16"

    made: Iterator[SteppedEngine] = iter([SteppedEngine(), Half()])
    with pytest.raises(SetupError, match="engine version was 1 in float32 and is 1 in float16 on "):
        started(lambda: next(made))


def test_loads_that_take_their_process_with_them_are_given_up() -> None:
    loads: list[None] = []

    def create() -> SteppedEngine:
        loads.append(None)
        raise DeathError

    with pytest.raises(EngineError, match=f"replicas died {MOST_FAILED_LOADS} times while they loaded their engine"):
        started(create)
    assert len(loads) == MOST_FAILED_LOADS


def test_a_fault_of_an_engine_keeps_its_words() -> None:
    class Failing(SteppedEngine):
        def _step(self) -> None:
            raise EngineError("lost the GPU")

    with pytest.raises(EngineError, match="lost the GPU"):
        list(started(Failing).generate(requests(3)))
