"""One engine of several: what runs in each actor of Ray Data's pool."""

import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import ray

from app.errors import EngineError, SetupError, ShopBenchError
from app.files import dump
from app.jobs.job import Result, stored
from app.jobs.ray.staging import row_id, row_key, unpack
from app.jobs.run import BatchRun, Limits
from app.predictor import Predictor

REPORT_SECONDS = 0.5
MOST_DEATHS = 3
"""Of processes that answered the same rows. A machine may be lost once or twice; then it is the rows."""
SCHEMA = pa.schema(
    [("id", pa.int64()), ("key", pa.binary()), ("life", pa.int32()), ("failed", pa.bool_()), ("answer", pa.string())]
)


class Replica:
    """Answers tables of staged rows; a table of answers comes back.

    Where the run is to stop, what is in flight is finished and the rows that were not asked are missing from
    the table, so that Ray Data's checkpoint does not have them.
    """

    def __init__(
        self,
        load: Callable[[], Predictor],
        run: bytes,
        life: int,
        threads: int,
        most_loads: int,
        tally: Any,  # noqa: ANN401  # an actor's handle
    ) -> None:
        """Load the engine.

        Args:
            load: makes the predictor ready.
            run: the digest of what all answers depend on.
            life: which run on the store this is.
            threads: for the engine, where it computes on CPUs.
            most_loads: loads without success from which on no more are tried.
            tally: handle of the `Tally` actor.

        Raises:
            SetupError: the engine cannot be made ready, or has not the version and number format of the others.
            EngineError: too many processes died while they loaded one.
        """
        # Ray gives one thread to whoever reserves a part of a CPU. This must stand before torch is imported.
        # A small machine may have been counted as a larger one.
        os.environ["OMP_NUM_THREADS"] = str(min(threads, os.cpu_count() or 1))
        self._run = run
        self._life = life
        self._tally = tally
        try:
            self._try_to_load(most_loads)
            self._predictor = load()
            self._agree(f"{self._predictor.engine.version} in {self._predictor.engine.dtype}")
        except ShopBenchError as error:
            self._give_up(error)
            raise

    def __call__(self, table: pa.Table) -> pa.Table:
        """Answer one table, in any order.

        Raises:
            EngineError: the engine failed, or these rows took too many processes with them.
        """
        packed = table["row"].to_pylist()
        number = table["id"][0].as_py()
        try:
            self._check_deaths(number, table["number"].to_pylist())
        except EngineError as error:
            self._give_up(error)
            raise
        call = _Call(self._tally, number)
        if call.stopping:
            return SCHEMA.empty_table()
        limits = Limits(interrupted=lambda: call.stopping)
        rows = (unpack(text, number) for number, text in enumerate(packed))
        try:
            BatchRun(self._predictor, None, self._run, call.ended, limits, settled=call.settled).run(rows)
        except ShopBenchError as error:
            self._give_up(error)
            raise
        call.report()
        ray.get(self._tally.ended.remote(number))
        return self._table(call.results, packed)

    def _table(self, results: list[Result], packed: list[bytes]) -> pa.Table:
        keys = [row_key(self._run, packed[result.row.number]) for result in results]
        columns = {
            "id": [row_id(key) for key in keys],
            "key": keys,
            "life": [self._life] * len(results),
            "failed": [result.prediction.error is not None for result in results],
            "answer": [dump(stored(result.prediction, result.usage)) for result in results],
        }
        return pa.table(columns, schema=SCHEMA)

    def _try_to_load(self, most: int) -> None:
        loads = ray.get(self._tally.loading.remote())
        if loads > most:
            raise EngineError(
                f"replicas died {loads - 1} times while they loaded their engine, on {platform.node()} too: "
                "look for the reason in Ray's logs (memory, as a rule), or lower --replicas"
            )

    def _check_deaths(self, call: int, rows: list[int]) -> None:
        """Ray would ask what kills a process for ever."""
        begun = ray.get(self._tally.begin.remote(call))
        if begun > MOST_DEATHS:
            raise EngineError(
                f"replicas died {begun - 1} times while they answered rows {min(rows)} to {max(rows)} (from 0): "
                "look for the reason in Ray's logs, or put these rows into a file of their own; other answers are kept"
            )

    def _agree(self, version: str) -> None:
        wanted = ray.get(self._tally.joined.remote(version))
        if wanted != version:
            raise SetupError(
                f"engine version was {wanted} and is {version} on {platform.node()}: install that one on every "
                "machine and set the dtype in a settings file, or remove the folder OUT.ray to start afresh"
            )

    def _give_up(self, error: ShopBenchError) -> None:
        kind = EngineError if isinstance(error, EngineError) else SetupError
        ray.get(self._tally.failed.remote(kind.__name__, str(error)))


class _Call:
    """The results of one table so far, told to the tally now and then."""

    def __init__(self, tally: Any, number: int) -> None:  # noqa: ANN401  # an actor's handle
        self._tally = tally
        self._number = number
        self.results: list[Result] = []
        self._rows = 0
        self._errors = 0
        self.stopping = False
        self.report()

    def settled(self, result: Result) -> None:
        self._rows += 1
        self._errors += result.prediction.error is not None
        self.results.append(result)
        if time.monotonic() - self._reported_at >= REPORT_SECONDS:
            self.report()

    def ended(self, result: Result) -> None:
        """Rows are wanted as they end, not in order; see `settled`."""

    def report(self) -> None:
        self.stopping = ray.get(self._tally.settled.remote(self._number, self._rows, self._errors))
        self._reported_at = time.monotonic()


CPU_SHARE = 0.1
"""Of a CPU, that a replica reserves, and a reader or writer: Ray counts what is reserved and binds nobody to it."""
LEAST_CPUS = 2
"""Some steps of Ray Data take a whole CPU of one machine beside the replicas, and would wait for it for ever."""
LEAST_CPUS_IN_ALL = 3
"""Two such steps run side by side where a run goes on: one of them leaves out what was answered."""
ENGINES_A_CLERK = 8
CALL_ROWS = 2048
"""Most rows in one call of a replica: what has to be done again when it is killed."""
LEAST_CALL_ROWS = 32
CALLS = 8
"""Calls that every replica should get at least, so that all end at about the same time."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What one node of the cluster has."""

    cpus: int
    gpus: int


@dataclass(frozen=True, slots=True)
class Replicas:
    """`count` engines, each with `gpus` GPUs of one machine, or with `threads` threads where it has none."""

    count: int
    gpus: int
    threads: int

    @property
    def clerks(self) -> int:
        """Processes that read, and as many that write: a file takes them a fraction of what it takes an engine."""
        return -(-self.count // ENGINES_A_CLERK)


def call_rows(rows: int, replicas: int) -> int:
    """Rows in one call, for a job of `rows` rows."""
    return max(LEAST_CALL_ROWS, min(CALL_ROWS, rows // (replicas * CALLS)))


def plan_replicas(machines: Sequence[Machine], wanted: int | None, gpus_each: int) -> Replicas:
    """As many replicas as GPUs allow; without any GPU, one a machine.

    `wanted` is the number that was asked for, `gpus_each` tensor times pipeline parallel size.

    Raises:
        SetupError: no machine has room for one replica or for Ray Data, or all together not for so many.
    """
    workers = [machine for machine in machines if machine.cpus > 0]
    if not any(machine.cpus >= LEAST_CPUS for machine in workers):
        raise SetupError(
            f"no machine of the cluster has {LEAST_CPUS} CPUs for Ray: start one with --num-cpus {LEAST_CPUS}"
        )
    if sum(machine.cpus for machine in workers) < LEAST_CPUS_IN_ALL:
        raise SetupError(
            f"the cluster has fewer than {LEAST_CPUS_IN_ALL} CPUs in all, with which a run could not be gone on with: "
            f"start it with --num-cpus {LEAST_CPUS_IN_ALL}; Ray only counts them"
        )
    most = max((machine.gpus for machine in machines), default=0)
    if most == 0:
        count = wanted or max(1, len(workers))
        each = -(-count // max(1, len(workers)))
        return Replicas(count, 0, max(1, min((machine.cpus for machine in workers), default=1) // each))
    room = sum(machine.gpus // gpus_each for machine in workers)
    if room == 0:
        raise SetupError(
            f"a replica takes {gpus_each} GPUs (tensor_parallel_size x pipeline_parallel_size) on one machine, "
            f"and no machine has more than {most}: lower the sizes"
        )
    if wanted is not None and wanted > room:
        raise SetupError(f"{wanted} replicas with {gpus_each} GPUs each: the cluster has room for {room}")
    return Replicas(wanted or room, gpus_each, 1)
