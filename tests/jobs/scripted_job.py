"""A batch job over the stepped engine, as a command: python -m tests.jobs.scripted_job IN OUT [options]."""

import argparse
import os
import sys
from pathlib import Path

from app.cli.progress import conclude
from app.errors import InputError
from app.jobs.file_job import FileJob, Summary, answer_file
from app.jobs.store import Store, journal_path
from app.predictor import Predictor
from app.prompting import PromptLibrary
from app.settings import ROOT
from app.types import GenerationRequest
from tests.jobs.stepped_engine import SteppedEngine

IDENTITY = {"model": "stepped", "model revision": "1", "engine": "stepped"}


def answer(job: FileJob, engine: SteppedEngine) -> Summary:
    prompts = PromptLibrary(ROOT / "prompts")
    return answer_file(job, lambda: Predictor(engine, prompts), lambda: IDENTITY | {"prompts": prompts.fingerprint})


def keys_of(target: Path) -> list[bytes]:
    """What the store of an output has, where no run holds it."""
    with Store(journal_path(target)) as store:
        return keys_in(store)


def keys_in(store: Store) -> list[bytes]:
    """The keys of all answers, in the order in which they came."""
    with store._explained() as database, database.transaction() as connection:
        return [key for (key,) in connection.execute("SELECT key FROM answers ORDER BY number")]


def logging_engine(log: Path, step_seconds: float, room: int = 8) -> SteppedEngine:
    """Notes every request in a file that survives a kill."""
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(request: GenerationRequest) -> None:
        os.write(file, request.messages[-1].content.encode().replace(b"\n", b" ") + b"\n")

    return SteppedEngine(room=room, step_seconds=step_seconds, on_request=note)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--step-seconds", type=float, default=0.0)
    parser.add_argument("--max-errors", type=int)
    given = parser.parse_args()
    job = FileJob(given.source, given.target, max_errors=given.max_errors)
    try:
        summary = answer(job, logging_engine(given.log, given.step_seconds))
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return conclude(summary, job)


if __name__ == "__main__":
    sys.exit(main())
