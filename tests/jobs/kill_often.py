"""Kills a batch job at random moments until it has been killed often enough, then lets it end.

python -m tests.jobs.kill_often FOLDER KILLS ROWS SEED. The children are forked, so that a life costs no
imports. Prints what was seen as JSON.
"""

import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

from app.jobs.file_job import FileJob
from app.jobs.store import journal_path
from tests.jobs.questions import mixed, write_questions
from tests.jobs.scripted_job import answer, keys_of, logging_engine

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


def kill_at_random(child: int, log: Path, chance: random.Random, most_rows: int) -> bool:
    """Kill after a number of further requests, or after a time, whichever was drawn. False: it had ended."""
    before = asked(log)
    more = chance.randrange(most_rows) if chance.random() < 0.8 else None
    until = time.monotonic() + (5.0 if more is not None else chance.random() * 0.1)
    while time.monotonic() < until:
        if more is not None and asked(log) - before >= more:
            break
        if os.waitpid(child, os.WNOHANG)[0]:
            return False
        time.sleep(0.0005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


def asked(log: Path) -> int:
    """Requests that the engine was given so far."""
    return log.read_bytes().count(b"\n") if log.exists() else 0


def looked_at(target: Path, folder: Path) -> set[bytes]:
    """The keys that are there, found in a copy: opening a store mends its end."""
    for path in (journal_path(target), wal_path(target)):
        (folder / path.name).unlink(missing_ok=True)
        if path.exists():
            shutil.copyfile(path, folder / path.name)
    return set(keys_of(folder / target.name))


def wal_path(target: Path) -> Path:
    """What SQLite appends to."""
    return target.with_name(f"{journal_path(target).name}-wal")


def main(folder: Path, kills: int, rows: int, seed: int) -> None:
    chance = random.Random(seed)
    source = write_questions(folder / "in.jsonl", mixed(rows))
    calm, disturbed = FileJob(source, folder / "calm.jsonl"), FileJob(source, folder / "disturbed.jsonl")
    os.waitpid(live(calm, folder / "calm.log"), 0)
    log, copies = folder / "disturbed.log", folder / "copies"
    copies.mkdir()
    acknowledged: set[bytes] = set()
    killed = lost = early = 0
    # An eighth of the rows may be lost with each life, since those in flight have to be asked again.
    most_rows = max(1, 2 * rows // (kills + 1) - 8)
    while killed < kills:
        if not kill_at_random(live(disturbed, log), log, chance, most_rows):
            early += 1
            break
        killed += 1
        now = looked_at(disturbed.target, copies)
        lost += len(acknowledged - now)
        acknowledged |= now
        if chance.random() < 0.3 and wal_path(disturbed.target).exists():
            # What a kill in the middle of a write leaves behind: a part of a change.
            with wal_path(disturbed.target).open("ab") as file:
                file.write(chance.randbytes(chance.randrange(1, 5000)))
    child = live(disturbed, log)
    code = os.waitpid(child, 0)[1]
    keys = keys_of(disturbed.target)
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
                "asked_calm": asked(folder / "calm.log"),
                "asked_disturbed": asked(log),
            }
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
