"""A connection to Ray: a cluster that is there, or one on this machine for as long as the run takes."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray

from app.errors import SetupError
from app.jobs.ray.replica import LEAST_CPUS_IN_ALL, Machine


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
        else {"include_dashboard": False, "address": "local", "num_cpus": max(LEAST_CPUS_IN_ALL, os.cpu_count() or 1)}
    )
    try:
        ray.init(**given, log_to_driver=False, logging_level=logging.ERROR, configure_logging=True)
    except Exception as error:
        # A node that does not start in time is a plain Exception to Ray.
        if type(error) is not Exception and not isinstance(error, (ConnectionError, RuntimeError, ValueError)):
            raise
        where = f"no Ray cluster answers at {address}" if address else "Ray cannot start here"
        fix = (
            "start one with 'ray start --head', or leave --ray-address out"
            if address
            else "give the command again when the machine is less busy, or use --executor local"
        )
        raise SetupError(f"{where}: {str(error).strip().splitlines()[0]}; {fix}") from error
    try:
        nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]  # Ray's
        yield [
            Machine(int(node["Resources"].get("CPU", 0)), int(node["Resources"].get("GPU", 0)))
            for node in nodes
            if node["Alive"]
        ]
    finally:
        ray.shutdown()
