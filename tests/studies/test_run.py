"""A grid of tiny cells, end to end: killed in a cell, gone on with, looked at, reported."""

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from app.cli.main import cli
from app.errors import SetupError
from app.settings import ROOT
from app.studies.plan import Study
from app.studies.results import Results, claimed
from app.studies.run import status
from tests.studies.small import kept, sit, stop_after, values_for
from tests.train.runs import Watching


@pytest.fixture(scope="module")
def folder(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a study whose process was killed in its fourth cell, and that then went on to its end."""
    folder = tmp_path_factory.mktemp("study")
    values = values_for(folder, checkpoint)
    (folder / "study.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    command = [sys.executable, "-m", "app", "study", "run", "--config", str(folder / "study.yaml")]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        while len(list((folder / "results" / "cells").glob("*.json"))) < 3 and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        told = process.stderr.read() if process.stderr else ""
    assert process.returncode == -signal.SIGKILL, told
    before = kept(folder)
    assert 3 <= len(before) <= 4
    watching = Watching()
    sitting = sit(values, watching)
    assert (sitting.done + len(before), sitting.left) == (21, 0)
    assert sum(line.startswith("cell ") for line in watching.lines) == sitting.done
    assert before.items() <= kept(folder).items()
    return folder


def values(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((folder / "study.yaml").read_text(encoding="utf-8"))
    return found


def test_a_cell_says_what_it_was_made_of_and_what_it_can(folder: Path) -> None:
    study = Study.parse(values(folder))
    cells = kept(folder)
    assert set(cells) == {cell.name for cell in study.cells}
    questions = Results(study.results).about().questions
    for cell in cells.values():
        assert len(cell["scores"]) == len(questions)
        assert {"seen", "new wordings", "new tasks", "general"} <= cell["groups"].keys()
        # Gates answer each task type by an adapter of its own, so there is no one network that reads.
        assert (cell["text_loss"] is None) == (cell["kind"] == "gates")
        assert (cell["training"] is None) == (cell["kind"] != "adapter")
        if cell["training"] is None:
            continue
        assert cell["training"]["rows"] == cell["rows"]
        assert cell["training"]["tokens"] > 0
        assert len(cell["training"]["sha256"]) == 64
        assert "trained on" in cell["groups"]
        for group in cell["groups"].values():
            assert group["low"] is None or group["low"] <= group["score"] <= group["high"]
    one, other = cells["seed0-rank2-rows8-cu-100"], cells["seed0-rank4-rows8-cu-100"]
    assert one["training"]["sha256"] == other["training"]["sha256"]
    assert 2 * one["training"]["trained_parameters"] == other["training"]["trained_parameters"]
    assert one["training"]["first_loss"] == pytest.approx(other["training"]["first_loss"], abs=1e-3)
    samples = folder / "work" / "cells" / "base" / "samples.jsonl"
    assert len(samples.read_text(encoding="utf-8").splitlines()) == len(questions)


def test_nothing_that_is_held_out_is_learnt(folder: Path) -> None:
    for cell in kept(folder).values():
        assert "select again" not in cell["tasks"]
    strata = {(one.stratum, one.task) for one in Results(folder / "results").about().questions}
    assert {task for stratum, task in strata if stratum == "new tasks"} == {"select again"}
    assert "select again" not in {task for stratum, task in strata if stratum != "new tasks"}


def test_what_is_done_is_not_done_again(folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (folder / "results" / "cells").iterdir()}
    assert sit(values(folder)).done == 0
    assert before == {path: path.stat().st_mtime_ns for path in (folder / "results" / "cells").iterdir()}


def copied(folder: Path, tmp_path: Path, *gone: str) -> dict[str, Any]:
    """The study in another place, some of its cells missing."""
    for name in ("work", "results"):
        shutil.copytree(folder / name, tmp_path / name)
    for name in gone:
        (tmp_path / "results" / "cells" / f"{name}.json").unlink()
    return values(folder) | {"work": str(tmp_path / "work"), "results": str(tmp_path / "results")}


def test_a_missing_cell_comes_out_as_it_was(folder: Path, tmp_path: Path) -> None:
    name = "seed1-rank4-rows8-cu-50"
    before = kept(folder)[name]
    assert sit(copied(folder, tmp_path, name)).done == 1
    after = kept(tmp_path)[name]
    assert after["training"] | {"seconds": 0} == before["training"] | {"seconds": 0}
    assert after["scores"] == before["scores"]


def test_a_signal_ends_the_sitting_and_drops_the_cell_under_way(folder: Path, tmp_path: Path) -> None:
    gone = ["seed1-rank4-rows8-cu-50", "seed1-rank4-rows8-c-100", "seed1-rank2-rows8-c-100"]
    changed = copied(folder, tmp_path, *gone)
    sitting = sit(changed, stop_after(1, lambda: signal.raise_signal(signal.SIGTERM)))
    assert (sitting.done, sitting.left, sitting.out_of_time) == (1, 2, False)
    assert len(kept(tmp_path)) == 19


def test_no_cell_is_begun_that_would_not_end_in_time(folder: Path, tmp_path: Path) -> None:
    sitting = sit(copied(folder, tmp_path, "base"), time_budget=0.01)
    assert (sitting.done, sitting.left, sitting.out_of_time) == (0, 1, True)


def test_a_cell_that_another_process_works_on_is_left_to_it(folder: Path, tmp_path: Path) -> None:
    changed = copied(folder, tmp_path, "base")
    study = Study.parse(changed)
    with claimed(study.cells[0], study.work) as ours:
        assert ours
        assert sit(changed).done == 0
    assert not (tmp_path / "results" / "cells" / "base.json").exists()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"training": {"max_length": 200}}, "max_length was 256 and is now 200"),
        ({"held_out": {"tasks": ["colour"], "wordings": [3]}}, "held_out was"),
    ],
)
def test_cells_of_other_settings_are_not_mixed_with_these(folder: Path, change: dict[str, Any], says: str) -> None:
    with pytest.raises(SetupError, match=f"cells of another study: .*{says}"):
        sit(values(folder) | change)


def test_the_grid_may_grow(folder: Path) -> None:
    grown = Study.parse(values(folder) | {"grid": values(folder)["grid"] | {"seeds": [0, 1, 2]}})
    found = {one.seed: (one.done, one.cells) for one in status(grown)}
    assert found == {0: (11, 11), 1: (10, 10), 2: (0, 10)}


@pytest.mark.parametrize("command", [["status"], ["run", "--dry-run"]])
def test_what_is_done_and_left_is_shown(folder: Path, command: list[str]) -> None:
    result = CliRunner().invoke(cli, ["study", *command, "--config", str(folder / "study.yaml")])
    assert result.exit_code == 0, result.output
    assert "21" in result.output
    assert "hours" in result.output


def test_a_second_start_says_that_none_is_left(folder: Path) -> None:
    result = CliRunner().invoke(cli, ["study", "run", "--config", str(folder / "study.yaml")])
    assert result.exit_code == 0, result.output
    assert "0 cells done, none left" in result.output
