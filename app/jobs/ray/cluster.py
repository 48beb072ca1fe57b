"""The machines of a Ray cluster: one that is there, or one on this machine for as long as the run takes."""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import ray

from app.errors import SetupError, first_line


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


@contextmanager
def connected(address: str | None) -> Iterator[list[Machine]]:
    """The machines of the cluster at `address` ("host:port" or "auto"), or of a local one that is started.

    Raises:
        SetupError: there is no cluster at the address, or none can be started.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    given: dict[str, Any] = (
        {"address": address}
        if address
        else {"include_dashboard": False, "address": "local", "num_cpus": os.cpu_count() or 1}
    )
    try:
        ray.init(**given, log_to_driver=False, logging_level=logging.ERROR, configure_logging=True)
    except Exception as error:  # a node that does not start in time is nothing narrower to Ray
        if type(error) is not Exception and not isinstance(error, (ConnectionError, RuntimeError, ValueError)):
            raise
        where = f"no Ray cluster answers at {address}" if address else "Ray cannot start here"
        fix = (
            "start one with 'ray start --head', or leave --ray-address out"
            if address
            else "give the command again when the machine is less busy, or use --executor local"
        )
        raise SetupError(f"{where}: {first_line(error)}; {fix}") from error
    try:
        nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]  # Ray's
        yield [
            Machine(int(node["Resources"].get("CPU", 0)), int(node["Resources"].get("GPU", 0)))
            for node in nodes
            if node["Alive"]
        ]
    finally:
        ray.shutdown()
