"""A job on Ray over stepped engines: python -m tests.jobs.ray.scripted_cluster_job IN OUT [options]."""

import argparse
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import ray

from app.cli.progress import conclude
from app.errors import InputError, ShopBenchError
from app.jobs.file_job import FileJob, Summary, answer_file
from app.jobs.ray.engine import RayEngine
from app.predictor import Predictor
from app.prompting import PromptLibrary
from app.settings import ROOT
from app.types import GenerationRequest
from tests.jobs.scripted_job import IDENTITY
from tests.jobs.stepped_engine import SteppedEngine


def create(log: Path, step_seconds: float) -> SteppedEngine:
    """Runs in a replica. Notes each request, and beside the log its process and its node."""
    (log.parent / f"{log.name}.{os.getpid()}.{ray.get_runtime_context().get_node_id()}").touch()
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(request: GenerationRequest) -> None:
        os.write(file, request.messages[-1].content.encode().replace(b"\n", b" ") + b"\n")

    return SteppedEngine(step_seconds=step_seconds, on_request=note)


def replicas(log: Path) -> dict[int, str]:
    """The replicas that were ready so far: process number -> node."""
    names = [path.name.removeprefix(f"{log.name}.") for path in log.parent.glob(f"{log.name}.*")]
    return {int(process): node for process, node in (name.split(".") for name in names)}


def answer(job: FileJob, make: Callable[[], SteppedEngine], address: str | None) -> Summary:
    """Answer with engines that `make` makes on the machines of a cluster."""
    prompts = PromptLibrary(ROOT / "prompts")

    def load() -> Predictor:
        return Predictor(RayEngine(make, SteppedEngine().count_tokens, address), prompts)

    return answer_file(job, load, lambda: IDENTITY | {"prompts": prompts.fingerprint})


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
        summary = answer(job, partial(create, given.log, given.step_seconds), given.address)
    except ShopBenchError as error:
        print(error, file=sys.stderr)
        return 2 if isinstance(error, InputError) else 3
    return conclude(summary, job)


if __name__ == "__main__":
    sys.exit(main())
