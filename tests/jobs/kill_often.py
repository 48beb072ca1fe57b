"""Kills a batch job at random moments until it has been killed often enough, then lets it end.

python -m tests.jobs.kill_often FOLDER KILLS ROWS SEED. The children are forked, so that a life costs no
imports. Prints what was seen as JSON.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from app.jobs.file_job import FileJob
from app.jobs.journal import journal_path, keys_of
from tests.jobs.questions import mixed, write_questions
from tests.jobs.scripted_job import answer, logging_engine

STEP_SECONDS = 0.001


def live(job: FileJob, log: Path) -> int:
    """Start the job in a process of its own."""
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        answer(job, logging_engine(log, STEP_SECONDS))
        code = 0
    finally:
        os._exit(code)


def kill_at_random(child: int, journal: Path, chance: random.Random, most_rows: int) -> bool:
    """Kill after a number of further journal bytes, or after a time, whichever was drawn. False: it had ended."""
    before = journal.stat().st_size if journal.exists() else 0
    bytes_more = chance.randrange(most_rows * 150) if chance.random() < 0.8 else None
    until = time.monotonic() + (5.0 if bytes_more is not None else chance.random() * 0.1)
    while time.monotonic() < until:
        if bytes_more is not None and journal.exists() and journal.stat().st_size - before >= bytes_more:
            break
        if os.waitpid(child, os.WNOHANG)[0]:
            return False
        time.sleep(0.0005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


def main(folder: Path, kills: int, rows: int, seed: int) -> None:
    chance = random.Random(seed)
    source = write_questions(folder / "in.jsonl", mixed(rows))
    calm, disturbed = FileJob(source, folder / "calm.jsonl"), FileJob(source, folder / "disturbed.jsonl")
    os.waitpid(live(calm, folder / "calm.log"), 0)
    journal = journal_path(disturbed.target)
    acknowledged: set[str] = set()
    killed = lost = early = 0
    # An eighth of the rows may be lost with each life, since those in flight have to be asked again.
    most_rows = max(1, 2 * rows // (kills + 1) - 8)
    while killed < kills:
        if not kill_at_random(live(disturbed, folder / "disturbed.log"), journal, chance, most_rows):
            early += 1
            break
        killed += 1
        now = set(keys_of(journal)) if journal.exists() else set()
        lost += len(acknowledged - now)
        acknowledged |= now
        if chance.random() < 0.3 and journal.exists():
            # What a loss of power leaves behind: the beginning of a line.
            with journal.open("ab") as file:
                file.write(b'{"key": "00'[: chance.randrange(1, 11)])
    child = live(disturbed, folder / "disturbed.log")
    code = os.waitpid(child, 0)[1]
    keys = list(keys_of(journal))
    print(
        json.dumps(
            {
                "killed": killed,
                "early": early,
                "code": code,
                "lost": lost,
                "doubled": len(keys) - len(set(keys)),
                "answers": len(keys),
                "acknowledged_before_the_last_life": len(acknowledged),
                "same_bytes": calm.target.read_bytes() == disturbed.target.read_bytes(),
                "asked_calm": len((folder / "calm.log").read_bytes().splitlines()),
                "asked_disturbed": len((folder / "disturbed.log").read_bytes().splitlines()),
            }
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
