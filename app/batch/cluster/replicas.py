"""How many engines a cluster has room for, and what each one reserves."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.errors import SetupError

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
