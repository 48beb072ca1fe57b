"""One engine of several: what runs in each of Ray's actors."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from queue import Empty, Queue
from threading import Thread

from app.engines.base import Engine
from app.types import Completion, GenerationRequest

PATIENCE_SECONDS = 0.5
"""How long a call waits for an answer."""
GATHERING_SECONDS = 0.05
"""How long the first answer waits for others: a call takes a thousandth of a second of the one who calls."""
IDLE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Loaded:
    """What an engine says about itself."""

    name: str
    version: str
    dtype: str
    model: str
    context_length: int
    adapters: frozenset[str]
    machine: str


@dataclass(frozen=True, slots=True)
class Answered:
    """Completions, and how many requests the engine has taken up and not finished."""

    completions: list[Completion]
    in_flight: int


class Replica:
    """Runs one engine in a thread of its own, which never waits for the one who asks."""

    def __init__(self, create: Callable[[], Engine], threads: int) -> None:
        """Prepare to load; `threads` are for an engine that computes on CPUs."""
        # Ray gives one thread to whoever reserves a part of a CPU. This must stand before torch is imported.
        # A small machine may have been counted as a larger one.
        os.environ["OMP_NUM_THREADS"] = str(min(threads, os.cpu_count() or 1))
        self._create = create
        self._waiting: Queue[GenerationRequest] = Queue()
        self._done: Queue[Completion | Exception] = Queue()
        self._in_flight = 0

    def load(self) -> Loaded:
        """Make the engine ready. Errors as the engine's own."""
        self._engine = engine = self._create()
        Thread(target=self._run, daemon=True).start()
        known = (engine.name, engine.version, engine.dtype, engine.model, engine.context_length)
        return Loaded(*known, frozenset(engine.adapters), os.uname().nodename)

    def answer(self, requests: Sequence[GenerationRequest]) -> Answered:
        """Take requests in; what is finished by now, or soon. Raises what ended the engine, if anything did."""
        for request in requests:
            self._waiting.put(request)
        found: list[Completion] = []
        try:
            self._keep(found, self._done.get(timeout=PATIENCE_SECONDS))
            time.sleep(GATHERING_SECONDS)
            while True:
                self._keep(found, self._done.get_nowait())
        except Empty:
            return Answered(found, self._in_flight)

    @staticmethod
    def _keep(found: list[Completion], one: Completion | Exception) -> None:
        if isinstance(one, Exception):
            raise one
        found.append(one)

    def _run(self) -> None:
        try:
            for completion in self._engine.generate(self._requests()):
                self._in_flight -= 1
                self._done.put(completion)
        except Exception as error:  # noqa: BLE001  # raised where answers are taken
            self._done.put(error)

    def _requests(self) -> Iterator[GenerationRequest | None]:
        """What the engine pulls from, without an end."""
        while True:
            try:
                request = self._waiting.get_nowait() if self._in_flight else self._waiting.get(timeout=IDLE_SECONDS)
            except Empty:
                yield None
            else:
                self._in_flight += 1
                yield request
