"""Jobs on a real cluster of two nodes: the local run's bytes, whatever is killed on the way."""

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from ray import cluster_utils

from app.errors import EngineError, SetupError
from app.jobs.file_job import FileJob
from app.jobs.job import Origin
from app.jobs.store import journal_path
from app.settings import ROOT
from app.types import GenerationRequest
from tests.conftest import FULL
from tests.jobs import scripted_job
from tests.jobs.questions import choice, line, mixed, write_questions
from tests.jobs.ray.scripted_cluster_job import answer, create, replicas
from tests.jobs.stepped_engine import SteppedEngine

SAMPLE = ROOT / "data" / "sample.jsonl"
ROWS = 300
IN_FLIGHT = 2 * (32 + 16 + 8)
"""Rows that two replicas have in work or waiting."""


def start(source: Path, target: Path, cluster: cluster_utils.Cluster, *words: object) -> subprocess.Popen[str]:
    given = (source, target, "--log", target.with_suffix(".log"), "--address", cluster.address, *words)
    return subprocess.Popen(
        [sys.executable, "-m", "tests.jobs.ray.scripted_cluster_job", *map(str, given)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(what: Callable[[], bool], job: subprocess.Popen[str], seconds: float = 200) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert job.poll() is None, job.communicate()
        assert time.monotonic() < until, "this never happens"
        time.sleep(0.05)


def asked(target: Path) -> Counter[bytes]:
    log = target.with_suffix(".log")
    return Counter(log.read_bytes().splitlines()) if log.exists() else Counter()


def awkward_rows(path: Path) -> Path:
    """Questions, one of them twice, and rows that are none."""
    lines = [line(question) for question in mixed(ROWS)]
    path.write_text("\n".join([*lines[:50], "not json", lines[7], '{"prompt": ""}', *lines[50:]]))
    return path


def answered_here(source: Path, target: Path) -> bytes:
    scripted_job.answer(FileJob(source, target), SteppedEngine())
    return target.read_bytes()


def test_a_killed_replica_and_a_stopped_run_lose_nothing(tmp_path: Path, two_nodes: cluster_utils.Cluster) -> None:
    source, target = awkward_rows(tmp_path / "in.jsonl"), tmp_path / "out.jsonl"
    log = target.with_suffix(".log")
    job = start(source, target, two_nodes, "--step-seconds", 0.05)
    wait_for(lambda: len(replicas(log)) == 2 and asked(target).total() > 40, job)
    assert len(set(replicas(log).values())) == 2, "one replica a node"
    os.kill(next(iter(replicas(log))), signal.SIGKILL)
    wait_for(lambda: len(replicas(log)) == 3, job)
    job.send_signal(signal.SIGTERM)
    _, said = job.communicate(timeout=200)
    assert job.returncode == 143, said
    assert "give the same command again to go on" in said
    stopped = re.search(r"stopped after (\d+) of 303 rows", " ".join(said.split()))
    assert stopped is not None
    assert 0 < int(stopped[1]) < 303
    assert not target.with_name("out.jsonl.part").exists()
    assert str(journal_path(target)) in said.replace("\n", "")
    assert "Traceback" not in said
    assert not target.exists()

    again = start(source, target, two_nodes)
    _, said = again.communicate(timeout=200)
    assert again.returncode == 1, said  # two rows are no questions
    assert target.read_bytes() == answered_here(source, tmp_path / "here.jsonl")
    assert len(asked(target)) == ROWS
    assert ROWS < asked(target).total() <= ROWS + IN_FLIGHT, "only what the killed replica had is asked again"


def test_a_run_without_ray_is_gone_on_with_on_ray_and_the_other_way_round(
    tmp_path: Path, two_nodes: cluster_utils.Cluster
) -> None:
    def refuse() -> SteppedEngine:
        raise AssertionError("no engine is asked")

    source, target = write_questions(tmp_path / "in.jsonl", mixed(40)), tmp_path / "out.jsonl"
    before = answered_here(source, target)
    source.write_text(source.read_text() + line(choice(999)) + "\n")
    summary = answer(FileJob(source, target), partial(create, tmp_path / "log", 0.0), two_nodes.address)
    assert (summary.origins[Origin.RESUMED], summary.origins[Origin.ASKED]) == (40, 1)
    assert target.read_bytes().startswith(before)
    scripted_job.answer(FileJob(source, target), engine := SteppedEngine())
    assert engine.asked == []


@pytest.mark.skipif(not FULL, reason="takes minutes; FULL_TESTS=1 runs it")
def test_a_node_that_goes_away_loses_nothing(tmp_path: Path, two_nodes: cluster_utils.Cluster) -> None:
    source, target = write_questions(tmp_path / "in.jsonl", mixed(ROWS)), tmp_path / "out.jsonl"
    log = target.with_suffix(".log")
    extra = two_nodes.add_node(num_cpus=2)
    job = start(source, target, two_nodes, "--step-seconds", 0.05)
    wait_for(lambda: len(replicas(log)) == 3 and asked(target).total() > 40, job)
    assert extra.unique_id in replicas(log).values() or len(set(replicas(log).values())) == 3
    two_nodes.remove_node(extra, allow_graceful=False)
    _, said = job.communicate(timeout=280)
    assert job.returncode == 0, said
    assert target.read_bytes() == answered_here(source, tmp_path / "here.jsonl")


def deadly() -> SteppedEngine:
    def die(request: GenerationRequest) -> None:
        if f"no. {ROWS - 50}?" in request.messages[-1].content:
            os._exit(1)

    return SteppedEngine(on_request=die)


@pytest.mark.skipif(not FULL, reason="takes minutes; FULL_TESTS=1 runs it")
def test_a_row_that_kills_its_replica_ends_the_run_and_the_others_are_kept(
    tmp_path: Path, two_nodes: cluster_utils.Cluster
) -> None:
    source, target = write_questions(tmp_path / "in.jsonl", map(choice, range(ROWS))), tmp_path / "out.jsonl"
    with pytest.raises(EngineError, match="died 3 times while they answered rows ([0-9]+) to ([0-9]+)"):
        answer(FileJob(source, target), deadly, two_nodes.address)
    assert len(scripted_job.keys_of(target)) > 0


@pytest.mark.skipif(not FULL, reason="takes minutes; FULL_TESTS=1 runs it")
@pytest.mark.parametrize("engine", ["transformers", "vllm"])
def test_a_real_engine_answers_as_it_does_here(tmp_path: Path, two_nodes: cluster_utils.Cluster, engine: str) -> None:
    def predict(target: Path, *words: str) -> bytes:
        given = [sys.executable, "-m", "app", "predict", str(SAMPLE), str(target), "--engine", engine, *words]
        result = subprocess.run(given, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
        assert result.returncode == 0, result.stderr
        return target.read_bytes()

    there = predict(tmp_path / "there.jsonl", "--executor", "ray", "--ray-address", two_nodes.address)
    assert there == predict(tmp_path / "here.jsonl")


def unready() -> SteppedEngine:
    raise SetupError("no checkpoint at /nowhere: put the weights there")


def test_an_engine_that_cannot_be_made_ready_is_one_line(tmp_path: Path, two_nodes: cluster_utils.Cluster) -> None:
    source = write_questions(tmp_path / "in.jsonl", mixed(8))
    with pytest.raises(SetupError, match=r"^no checkpoint at /nowhere: put the weights there$"):
        answer(FileJob(source, tmp_path / "out.jsonl"), unready, two_nodes.address)
    assert not (tmp_path / "out.jsonl").exists()
