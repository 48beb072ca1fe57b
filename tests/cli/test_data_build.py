"""The command as people run it: in a process of its own, also where it cannot write or is stopped."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MIXTURE = """
data: data
sources: {catalogue: {rows: 30}}
tasks: {include: [brand_extraction, query_*, review_r*]}
mix: {total: 150}
splits: {train: 0.8, validation: 0.1, test: 0.1}
evaluation_files: [data/sample.jsonl]
"""


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "app", "data", "build", *map(str, arguments)]


@pytest.fixture
def mixture(tmp_path: Path) -> Path:
    path = tmp_path / "mixture.yaml"
    path.write_text(MIXTURE)
    return path


def test_a_mixture_of_the_catalogue_is_built_told_and_scored(mixture: Path, tmp_path: Path) -> None:
    done = subprocess.run(command(mixture, tmp_path / "out"), cwd=ROOT, capture_output=True, text=True, check=True)

    assert "Rows by capability" in done.stdout
    assert "brand_extraction" in done.stdout
    assert "150 written" in done.stderr
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert sum(file["rows"] for file in manifest["outputs"].values()) == 150
    assert manifest["sources"]["catalogue"]["licence"] == "Apache-2.0"


def test_a_disk_that_takes_no_more_is_one_line_and_nothing_half_written(mixture: Path, tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))

    target = tmp_path / "out"
    done = subprocess.run(
        command(mixture, target),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limit,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
    )

    assert done.returncode == 2
    assert done.stderr == f"shopbench: cannot write {target}: File too large; nothing is left of it\n"
    assert [path.name for path in tmp_path.iterdir()] == ["mixture.yaml"]


def test_a_termination_leaves_nothing(mixture: Path, tmp_path: Path) -> None:
    mixture.write_text(MIXTURE.replace("rows: 30", "rows: 100000"))
    with subprocess.Popen(command(mixture, tmp_path / "out"), cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        try:
            until = time.monotonic() + 120
            while not list(tmp_path.glob(".tmp-*")) and process.poll() is None and time.monotonic() < until:
                time.sleep(0.05)
            assert list(tmp_path.glob(".tmp-*"))
            process.send_signal(signal.SIGTERM)

            assert process.wait(60) == 128 + signal.SIGTERM
        finally:
            process.kill()
    assert [path.name for path in tmp_path.iterdir()] == ["mixture.yaml"]
