"""Ray started by the job itself, as on a laptop."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.settings import ROOT
from tests.conftest import FULL
from tests.jobs.questions import mixed, write_questions


@pytest.mark.skipif(not FULL, reason="takes a minute; FULL_TESTS=1 runs it")
@pytest.mark.timeout(400)
def test_a_machine_of_two_cores_goes_on_with_a_run(tmp_path: Path) -> None:
    """It used to wait for ever: a run that goes on has a step more that takes a whole CPU."""
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    command = [
        "-m",
        "tests.jobs.ray.scripted_cluster_job",
        str(source),
        str(target),
        "--log",
        str(tmp_path / "log"),
    ]
    two_cores = f"import os, runpy, sys; os.cpu_count = lambda: 2; sys.argv = {command[1:]!r}; "
    two_cores += "runpy.run_module(sys.argv[0], run_name='__main__')"
    for rows in (40, 120):
        write_questions(source, mixed(rows))
        done = subprocess.run(
            [sys.executable, "-c", two_cores], cwd=ROOT, env=os.environ, timeout=150, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert len(target.read_text().splitlines()) == rows
