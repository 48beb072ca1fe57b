"""Engines on the machines of a Ray cluster, which together are one engine."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError

from app.engines.base import Engine, never, pull
from app.engines.loading import check_engine, create_engine
from app.errors import EngineError, SetupError, ShopBenchError
from app.forms import forms_of
from app.jobs.ray.cluster import connected, plan_replicas
from app.jobs.ray.replica import Answered, Loaded, Replica
from app.predictor import Predictor
from app.prompting import PromptLibrary
from app.settings import Settings
from app.types import Completion, GenerationRequest, Message

CPU_SHARE = 0.1
"""Of a CPU, that a replica reserves: Ray counts what is reserved and binds nobody to it."""
POLL_SECONDS = 0.25
LEAST_WAITING = 32
"""Requests that may wait at a replica whatever it has in flight."""
ROUND = 16
"""Requests that the least busy replica gets at a time: all come to their ends together."""
MOST_DEATHS = 3
"""Of processes that had the same request. A machine may be lost once or twice; then it is the request."""
MOST_FAILED_LOADS = 10
"""Of processes that died while they loaded their engine."""
MOST_OPEN_ROWS = 65_536
"""Rows that may be read and not handed on: eight times as many as with one engine."""


@dataclass(eq=False, slots=True)
class _Member:
    """One replica, as it is known here. `call` is the one that it works on, if any."""

    actor: Any
    call: Any
    ready: bool = False
    in_flight: int = 0
    outstanding: dict[str, GenerationRequest] = field(default_factory=dict)

    @property
    def room(self) -> bool:
        """Whether it may be given more: as much as it has in work, by half, waits for a place there."""
        waiting = len(self.outstanding) - self.in_flight
        return waiting < max(LEAST_WAITING, self.in_flight // 2)


class RayEngine:
    """`Engine` on replicas of another one. What a lost replica had is asked again of the others."""

    def __init__(
        self,
        create: Callable[[], Engine],
        count_tokens: Callable[..., int],
        address: str | None = None,
        replicas: int | None = None,
        gpus_each: int = 1,
    ) -> None:
        """Start replicas and wait for the first.

        Args:
            create: makes an engine ready on a replica's machine.
            count_tokens: as the engines do it, but here.
            address: the cluster's, "host:port" or "auto"; by default one is started on this machine.
            replicas: how many; as many as fit by default.
            gpus_each: what one engine takes: tensor times pipeline parallel size.

        Raises:
            SetupError: no cluster, no room for the replicas, or an engine that cannot be made ready.
            EngineError: Ray failed, or too many processes died while they loaded an engine.
        """
        self.count_tokens = count_tokens
        self._create = create
        self._again: deque[GenerationRequest] = deque()
        self._deaths: dict[str, int] = {}
        self._failed_loads = 0
        self._loaded: Loaded | None = None
        with ExitStack() as stack:
            machines = stack.enter_context(connected(address))
            self._plan = plan_replicas(machines, replicas, gpus_each)
            self._members = [self._start() for _ in range(self._plan.count)]
            first = self._first()
            self._connection: ExitStack = stack.pop_all()
        self.name, self.version, self.dtype = first.name, first.version, first.dtype
        self.model, self.context_length, self.adapters = first.model, first.context_length, first.adapters

    def generate(
        self, requests: Iterable[GenerationRequest | None], give_up: Callable[[], bool] = never
    ) -> Iterator[Completion]:
        """As `Engine`.

        Raises:
            EngineError: an engine failed, or a request took too many processes with it, or Ray failed.
            SetupError: an engine that was made ready later is not as the others.
        """
        source = iter(requests)
        more = True
        try:
            while (more or self._again or any(member.outstanding for member in self._members)) and not give_up():
                more = self._hand_out(source) and more
                yield from self._gather()
        finally:
            # Where the stream ends early, nobody waits for what is in flight.
            self._again.clear()
            for member in self._members:
                member.outstanding.clear()

    def close(self) -> None:
        """End the replicas. Safe to call twice."""
        self._connection.close()

    def _first(self) -> Loaded:
        while self._loaded is None:
            deque(self._gather(), maxlen=0)
        return self._loaded

    def _start(self) -> _Member:
        """A new replica, which begins to load."""
        actor: Any = ray.remote(Replica)
        options = {"num_cpus": CPU_SHARE, "num_gpus": self._plan.gpus or None, "scheduling_strategy": "SPREAD"}
        started = actor.options(**options).remote(self._create, self._plan.threads)
        return _Member(started, started.load.remote())

    def _hand_out(self, source: Iterator[GenerationRequest | None]) -> bool:
        """Give what is there to the replicas that have room; whether more may come."""
        more = True
        given: dict[_Member, list[GenerationRequest]] = {
            member: [] for member in self._members if member.ready and member.call is None
        }
        while free := [member for member in given if member.room]:
            member = min(free, key=lambda member: len(member.outstanding))
            taken = [self._again.popleft() for _ in range(min(ROUND, len(self._again)))]
            if not taken and more:
                taken, more = pull(source, ROUND)
            if not taken:
                break
            given[member] += taken
            member.outstanding |= {request.id: request for request in taken}
        for member, requests in given.items():
            if member.outstanding:
                member.call = member.actor.answer.remote(requests)
        return more

    def _gather(self) -> Iterator[Completion]:
        """What the replicas have finished; waits a little where they have not."""
        calls = {member.call: member for member in self._members if member.call is not None}
        if not calls:
            return
        try:
            ray.wait(list(calls), timeout=POLL_SECONDS)
            # All that are ready: of several, the first in the list would go before the others each time.
            ready, _ = ray.wait(list(calls), num_returns=len(calls), timeout=0)
        except RayError as error:
            raise _stopped(error) from error
        for call in ready:
            member = calls[call]
            member.call = None
            try:
                found: Loaded | Answered = ray.get(call)
            except RayActorError:
                self._lost(member)
                continue
            except RayError as error:
                # What a replica raised, or Ray itself.
                if isinstance(error, RayTaskError) and isinstance(error.cause, ShopBenchError):
                    raise type(error.cause)(str(error.cause)) from error
                raise _stopped(error) from error
            if isinstance(found, Loaded):
                self._join(member, found)
                continue
            member.in_flight = found.in_flight
            for completion in found.completions:
                if member.outstanding.pop(completion.id, None) is not None:
                    yield completion

    def _join(self, member: _Member, loaded: Loaded) -> None:
        """A replica is ready; all have to have the version and number format of the first."""
        first = self._loaded = self._loaded or loaded
        if (loaded.version, loaded.dtype) != (first.version, first.dtype):
            raise SetupError(
                f"engine version was {first.version} in {first.dtype} and is {loaded.version} in {loaded.dtype} on "
                f"{loaded.machine}: install one version on every machine, and set the dtype in a settings file"
            )
        member.ready = True

    def _lost(self, member: _Member) -> None:
        """A process or its machine is gone: another is started, and what it had is asked again."""
        if not member.ready:
            self._failed_loads += 1
            if self._failed_loads >= MOST_FAILED_LOADS:
                raise EngineError(
                    f"replicas died {self._failed_loads} times while they loaded their engine: look for the reason in "
                    "Ray's logs (memory, as a rule), or lower --replicas"
                )
        deadly = []
        for number in member.outstanding:
            self._deaths[number] = self._deaths.get(number, 0) + 1
            if self._deaths[number] >= MOST_DEATHS and number.isdecimal():
                deadly.append(int(number))
        if deadly:
            raise EngineError(
                f"replicas died {MOST_DEATHS} times while they answered rows {min(deadly)} to {max(deadly)} (from 0): "
                "look for the reason in Ray's logs, or put these rows into a file of their own; other answers are kept"
            )
        self._again.extend(member.outstanding.values())
        self._members.remove(member)
        self._members.append(self._start())


def create_ray_predictor(settings: Settings, address: str | None, replicas: int | None) -> Predictor:
    """A ready predictor over a cluster. The checkpoint has the same path on every machine.

    Raises:
        SetupError, EngineError: as `RayEngine`; a setting or a prompt is bad.
    """
    from app.engines.chat import load_chat_tokenizer

    prompts = PromptLibrary(settings.prompts)
    values = {"seed": settings.seed} | settings.engine_settings
    gpus_each = check_engine(settings.engine, settings.model, settings.engine_settings).devices
    create = partial(create_engine, settings.engine, settings.model, values)

    def count_tokens(messages: Sequence[Message], tools: str = "") -> int:
        return len(load_chat_tokenizer(settings.model).encode(messages, tools))

    engine = RayEngine(create, count_tokens, address, replicas, gpus_each)
    return Predictor(engine, prompts, settings.task_adapters, forms=forms_of(settings))


def _stopped(error: RayError) -> EngineError:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = lines[-1] if lines else type(error).__name__
    return EngineError(f"Ray stopped: {reason}; give the same command again to go on")
