"""A job on Ray over stepped engines: python -m tests.jobs.ray.scripted_cluster_job IN OUT [options]."""

import argparse
import os
import sys
from functools import partial
from pathlib import Path

import ray

from app.cli.progress import conclude
from app.errors import InputError, ShopBenchError
from app.jobs.file_job import FileJob, Summary
from app.jobs.ray.job import Cluster, answer_on_cluster
from app.predictor import Predictor
from app.prompting import PromptLibrary
from app.settings import ROOT
from app.types import GenerationRequest
from tests.jobs.scripted_job import IDENTITY
from tests.jobs.stepped_engine import SteppedEngine


def load(log: Path, step_seconds: float) -> Predictor:
    """Runs in a replica. Notes each request, and beside the log its process and its node."""
    (log.parent / f"{log.name}.{os.getpid()}.{ray.get_runtime_context().get_node_id()}").touch()
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(request: GenerationRequest) -> None:
        os.write(file, request.messages[-1].content.encode().replace(b"\n", b" ") + b"\n")

    engine = SteppedEngine(step_seconds=step_seconds, on_request=note)
    return Predictor(engine, PromptLibrary(ROOT / "prompts"))


def replicas(log: Path) -> dict[int, str]:
    """The replicas that were ready so far: process number -> node."""
    names = [path.name.removeprefix(f"{log.name}.") for path in log.parent.glob(f"{log.name}.*")]
    return {int(process): node for process, node in (name.split(".") for name in names)}


def answer(job: FileJob, log: Path, cluster: Cluster | None = None, step_seconds: float = 0.0) -> Summary:
    identity = IDENTITY | {"prompts": PromptLibrary(ROOT / "prompts").fingerprint}
    return answer_on_cluster(job, cluster or Cluster(), partial(load, log, step_seconds), lambda: identity)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--address")
    parser.add_argument("--step-seconds", type=float, default=0.0)
    parser.add_argument("--max-errors", type=int)
    given = parser.parse_args()
    job = FileJob(given.source, given.target, max_errors=given.max_errors)
    try:
        summary = answer(job, given.log, Cluster(given.address), given.step_seconds)
    except ShopBenchError as error:
        print(error, file=sys.stderr)
        return 2 if isinstance(error, InputError) else 3
    return conclude(summary, job)


if __name__ == "__main__":
    sys.exit(main())
