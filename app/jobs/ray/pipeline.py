"""The pipeline of a run: Ray Data reads the questions, a pool of replicas answers, Ray Data writes and checkpoints."""

import logging
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Thread
from typing import Any

import ray
from ray.data import ActorPoolStrategy, DataContext
from ray.data.checkpoint import CheckpointConfig
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from app.errors import EngineError, SetupError
from app.jobs.ray.replica import CPU_SHARE, Replica, Replicas
from app.jobs.ray.store import Store
from app.predictor import Predictor


@dataclass(frozen=True, slots=True)
class Count:
    """Rows that have their result, and how many of them failed."""

    rows: int = 0
    errors: int = 0


@dataclass(frozen=True, slots=True)
class State:
    """What a run wants to know of its replicas; see `Tally`."""

    count: Count
    engine_version: str | None
    fault: tuple[str, str] | None


@dataclass(slots=True)
class Tally:
    """Counts by call, so that a call that is made again after its replica was killed does not count twice.

    `engine_version` is what all replicas must have; the first one says it where it is not known. `fault` is
    the class name and the message of what made a replica give up.
    """

    engine_version: str | None = None
    fault: tuple[str, str] | None = None
    stopping: bool = False
    loads: int = 0
    """Engines that began to load and are not ready: each is loading still, or took its process with it."""
    calls: dict[int, Count] = field(default_factory=dict)
    begun: dict[int, int] = field(default_factory=dict)
    """How often each call was begun that has not ended: more than once, where it took its process with it."""

    def loading(self) -> int:
        """A replica begins to load its engine; how many did that are not ready."""
        self.loads += 1
        return self.loads

    def joined(self, engine_version: str) -> str:
        """A replica is ready; the version that all have to have."""
        self.loads -= 1
        self.engine_version = self.engine_version or engine_version
        return self.engine_version

    def failed(self, kind: str, message: str) -> None:
        """A replica gives up; the first one is heard."""
        self.fault = self.fault or (kind, message)

    def begin(self, call: int) -> int:
        """A replica begins a call; how often it was begun."""
        self.begun[call] = self.begun.get(call, 0) + 1
        return self.begun[call]

    def ended(self, call: int) -> None:
        """A replica has ended a call."""
        self.begun.pop(call, None)

    def settled(self, call: int, rows: int, errors: int) -> bool:
        """A call has come so far; whether it should stop."""
        self.calls[call] = Count(rows, errors)
        return self.stopping

    def stop(self) -> None:
        """Let replicas finish what is in flight and begin nothing."""
        self.stopping = True

    def state(self) -> State:
        """All of it together."""
        rows = sum(count.rows for count in self.calls.values())
        errors = sum(count.errors for count in self.calls.values())
        return State(Count(rows, errors), self.engine_version, self.fault)


CALLS_WAITING = 2
"""Tables that wait at each replica, one of them in work."""
FAILED_LOADS = 10
"""How often an engine may take its process with it while it loads: Ray would try for ever."""


class Pipeline:
    """One pass of Ray Data over a store, in a thread of its own."""

    def __init__(
        self, store: Store, load: Callable[[], Predictor], run: bytes, replicas: Replicas, call_rows: int
    ) -> None:
        """Prepare a pass.

        Args:
            store: with the questions.
            load: makes a predictor ready on a replica's machine.
            run: the digest of the store's identity.
            replicas: how many there should be.
            call_rows: rows that a replica gets in one call.
        """
        self._store = store
        self._replica = {
            "load": load,
            "run": run,
            "life": store.lives,
            "threads": replicas.threads,
            "most_loads": replicas.count + FAILED_LOADS,
        }
        self._replicas = replicas
        self._call_rows = call_rows
        self._tally = _beside_the_run(store.identity.get("engine version"))
        self._done: Future[None] = Future()

    @property
    def running(self) -> bool:
        """Whether it goes on."""
        return not self._done.done()

    def start(self) -> None:
        """Begin; `running` tells when it has ended."""
        Thread(target=self._run, daemon=True).start()

    def wait(self, seconds: float) -> None:
        """Let time pass, or return at the end."""
        try:
            self._done.exception(seconds)
        except TimeoutError:
            return

    def state(self) -> State:
        """How far the replicas are.

        Raises:
            EngineError: Ray does not answer.
        """
        try:
            state: State = ray.get(self._tally.state.remote())
        except RayError as error:
            raise _stopped(error) from error
        return state

    def stop(self) -> None:
        """Let the replicas finish what is in flight and begin nothing."""
        self._tally.stop.remote()

    def conclude(self) -> None:
        """See whether it ended well.

        Raises:
            SetupError: an engine could not be made ready.
            EngineError: an engine failed, or Ray did.
        """
        error = self._done.exception()
        if error is None:
            return
        fault = self.state().fault
        if fault is not None:
            kind, message = fault
            raise (EngineError if kind == EngineError.__name__ else SetupError)(message) from error
        raise _stopped(error) if isinstance(error, RayError) else error

    def _run(self) -> None:
        try:
            self._write()
        except BaseException as error:  # noqa: BLE001  # told to whoever asks `conclude`
            self._done.set_exception(error)
        else:
            self._done.set_result(None)

    def _write(self) -> None:
        context = DataContext.get_current()
        before = context.checkpoint_config
        context.checkpoint_config = CheckpointConfig(
            id_column="id", checkpoint_path=str(self._store.checkpoint), delete_checkpoint_on_success=False
        )
        context.enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)
        try:
            self._dataset().write_parquet(
                str(self._store.answers), ray_remote_args={"num_cpus": CPU_SHARE}, concurrency=self._replicas.clerks
            )
        finally:
            context.checkpoint_config = before

    def _dataset(self) -> Any:  # noqa: ANN401  # a Ray Dataset
        folder, clerks = str(self._store.questions), self._replicas.clerks
        questions = ray.data.read_parquet(folder, num_cpus=CPU_SHARE, concurrency=clerks)
        # Ray Data starts a lost replica again as often as it takes, and gives what it was asked to another.
        return questions.repartition(target_num_rows_per_block=self._call_rows).map_batches(
            Replica,
            batch_size=None,
            batch_format="pyarrow",
            zero_copy_batch=True,
            fn_constructor_kwargs=self._replica | {"tally": self._tally},
            compute=ActorPoolStrategy(size=self._replicas.count, max_tasks_in_flight_per_actor=CALLS_WAITING),
            num_cpus=CPU_SHARE,
            num_gpus=self._replicas.gpus or None,
        )


def _beside_the_run(engine_version: str | None) -> Any:  # noqa: ANN401  # an actor's handle
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    actor: Any = ray.remote(Tally)
    return actor.options(num_cpus=0, scheduling_strategy=here).remote(engine_version)


def _stopped(error: RayError) -> EngineError:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = lines[-1] if lines else type(error).__name__
    return EngineError(f"Ray stopped: {reason}; give the same command again to go on")
