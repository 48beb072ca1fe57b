"""Peak memory of a batch job: python -m tests.jobs.peak_memory FOLDER ROWS. Prints rows, KiB and seconds as JSON."""

import json
import resource
import sys
import time
from pathlib import Path

from app.jobs.file_job import FileJob
from tests.jobs.questions import line, mixed
from tests.jobs.scripted_job import answer
from tests.jobs.stepped_engine import SteppedEngine


class Forgetful(SteppedEngine):
    """Keeps no list of what it was asked."""

    def _note(self, request: object) -> None:
        del request


def main(folder: Path, rows: int) -> None:
    source = folder / f"{rows}.jsonl"
    with source.open("w") as file:
        file.writelines(line(question) + "\n" for question in mixed(rows))
    started = time.monotonic()
    summary = answer(FileJob(source, folder / f"{rows}.out.jsonl"), Forgetful(room=128))
    seconds = time.monotonic() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"rows": summary.rows, "peak_kib": peak, "seconds": round(seconds, 1)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
