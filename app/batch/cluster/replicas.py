"""How many engines a cluster has room for, and what each one reserves."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.errors import SetupError

CPU_SHARE = 0.25
"""Of a CPU, for whatever is no engine, and for an engine that computes on CPUs: Ray counts what is reserved and
binds nobody to it. The less is reserved, the less can wait for each other."""
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
    def cpus(self) -> float:
        """What each reserves of Ray's CPUs."""
        return 1 if self.gpus else CPU_SHARE

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
        SetupError: no machine has room for one replica, or all together not for so many.
    """
    workers = [machine for machine in machines if machine.cpus > 0]
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
