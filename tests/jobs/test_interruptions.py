"""What the promises are worth: kills, signals, memory, fuzzed input, two runs at once. Real processes, real files."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from app.jobs.file_job import FileJob
from app.jobs.store import journal_path
from app.settings import ROOT
from tests.conftest import FULL
from tests.jobs.questions import line, mixed, write_questions
from tests.jobs.scripted_job import answer, keys_of
from tests.jobs.stepped_engine import SteppedEngine

ROOM = 8


def run_module(module: str, *words: object) -> dict[str, Any]:
    result = subprocess.run(
        [sys.executable, "-m", module, *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    values: dict[str, Any] = json.loads(result.stdout)
    return values


def start_job(source: Path, target: Path, *words: object) -> subprocess.Popen[str]:
    words = ("--log", target.with_suffix(".log"), *words)
    return subprocess.Popen(
        [sys.executable, "-m", "tests.jobs.scripted_job", str(source), str(target), *map(str, words)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_answers(target: Path, count: int) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        # All but what is in flight is answered.
        if target.with_suffix(".log").exists() and asked(target) >= count + ROOM:
            return
        time.sleep(0.01)
    raise AssertionError("the job answers nothing")


def asked(target: Path) -> int:
    return len(target.with_suffix(".log").read_bytes().splitlines())


def test_kills_lose_nothing_double_nothing_and_leave_the_same_bytes(tmp_path: Path) -> None:
    kills, rows = (100, 2000) if FULL else (15, 500)
    seen = run_module("tests.jobs.kill_often", tmp_path, kills, rows, 7)
    assert seen["killed"] == kills
    assert seen["code"] == 0
    assert seen["lost"] == 0
    assert seen["doubled"] == 0
    assert seen["answers"] == seen["asked_calm"] == rows
    assert 0 < seen["acknowledged_before_the_last_life"] < rows
    # Only what was in flight when it was killed is asked again.
    assert seen["asked_disturbed"] <= rows + kills * ROOM
    assert seen["same_bytes"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_finishes_what_is_in_flight_and_says_how_to_go_on(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    source, target = write_questions(tmp_path / "in.jsonl", mixed(600)), tmp_path / "out.jsonl"
    job = start_job(source, target, "--step-seconds", 0.02)
    wait_for_answers(target, 50)
    job.send_signal(number)
    _, said = job.communicate(timeout=60)
    assert job.returncode == code, said
    assert "give the same command again to go on" in said
    assert str(journal_path(target)) in said.replace("\n", "")
    assert "Traceback" not in said
    assert not target.exists()
    assert len(keys_of(target)) == asked(target) < 600
    assert start_job(source, target).wait(timeout=60) == 0
    assert asked(target) == 600
    assert len(target.read_bytes().splitlines()) == 600


def test_a_second_run_on_the_same_output_is_refused(tmp_path: Path) -> None:
    source, target = write_questions(tmp_path / "in.jsonl", mixed(600)), tmp_path / "out.jsonl"
    first = start_job(source, target, "--step-seconds", 0.02)
    wait_for_answers(target, 1)
    second = start_job(source, target)
    _, said = second.communicate(timeout=60)
    assert second.returncode == 2
    assert "another run holds" in said
    first.send_signal(signal.SIGTERM)
    assert first.wait(timeout=60) == 143


def test_too_many_errors_stop_the_job_which_goes_on_when_they_are_mended(tmp_path: Path) -> None:
    lines = [line(question) for question in mixed(300)]
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("\n".join(["{", *lines[:100], "[]", "7", *lines[100:]]))
    job = start_job(source, target, "--max-errors", 3)
    _, said = job.communicate(timeout=60)
    assert job.returncode == 4
    assert "stopped after 3 failed rows" in " ".join(said.split())
    assert not target.exists()
    source.write_text("\n".join(lines))
    assert start_job(source, target, "--max-errors", 3).wait(timeout=60) == 0
    assert asked(target) == 300


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    small, large = (10_000, 100_000) if FULL else (2_000, 10_000)
    before = run_module("tests.jobs.peak_memory", tmp_path, small)
    after = run_module("tests.jobs.peak_memory", tmp_path, large)
    assert (before["rows"], after["rows"]) == (small, large)
    assert after["peak_kib"] <= before["peak_kib"] * 1.10


def fuzzed_line(chance: random.Random) -> bytes:
    """A line that is anything between noise and a question, but never blank."""
    good = line(next(mixed(1))).encode()
    match chance.randrange(6):
        case 0:
            return bytes(chance.choices(range(33, 256), k=chance.randrange(1, 60))) or b"x"
        case 1:
            return good[: chance.randrange(1, len(good))]
        case 2:
            return json.dumps(chance.choice([None, [], 1.5, "text", {"prompt": 7}, {"id": [], "prompt": "x"}])).encode()
        case 3:
            value = {"id": chance.randrange(9), "prompt": "".join(map(chr, chance.choices(range(0xD7FF), k=20)))}
            return json.dumps(value | {"is_multiple_choice": chance.random() < 0.5}).encode()
        case 4:
            place = chance.randrange(len(good))
            return good[:place] + bytes([chance.randrange(33, 256)]) + good[place + 1 :]
        case _:
            return good


def test_every_fuzzed_line_gives_one_row(tmp_path: Path) -> None:
    chance = random.Random(0)
    count = 10_000
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(b"\n".join(fuzzed_line(chance) for _ in range(count)))
    summary = answer(FileJob(source, target), SteppedEngine(room=64))
    rows = [json.loads(text) for text in target.read_bytes().split(b"\n")[:-1]]
    assert len(rows) == summary.rows == summary.total == count
    assert all(("error" in row) == (row["answer"] is None) for row in rows)
    assert summary.errors == sum("error" in row for row in rows) > count / 3
