"""`make train-demo`: its commands are ones that the command line takes; and, given minutes, the whole way."""

import json
import shlex
import subprocess
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from app.cli.main import cli
from app.data.mixing.mixture import MixtureSettings
from app.settings import ROOT
from app.train.recipe import FinetuneConfig
from tests.conftest import FULL

SCRIPT = Path("scripts/train_demo.sh")
SHARED = ("app", "configs", "data", "models", "prompts", "scripts", ".venv")


def run_script(
    folder: Path, *words: str, minutes: float = 1, script: Path = SCRIPT
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(script), *words], cwd=folder, capture_output=True, text=True, timeout=60 * minutes, check=False
    )


def commands(script: Path = SCRIPT) -> list[list[str]]:
    """The commands of a script that the command line is to take, as words."""
    lines = run_script(ROOT, "--dry-run", script=script).stdout.splitlines()
    return [shlex.split(line[line.index("shopbench ") :]) for line in lines if "shopbench " in line]


def parse(words: list[str]) -> dict[str, object]:
    """What the command line reads in the words; it refuses unknown options and commands itself."""
    command, context = typer.main.get_command(cli), None
    while isinstance(command, TyperGroup):
        found = command.get_command(typer.Context(command), words[0])
        assert found is not None, words[0]
        command, words = found, words[1:]
    context = command.make_context("shopbench", list(words))
    return dict(context.params)


def test_the_command_line_takes_every_step() -> None:
    seen = commands()
    assert len(seen) == 8
    for words in seen:
        assert parse(words[1:])


def test_the_command_line_takes_every_step_to_the_default_checkpoint() -> None:
    seen = commands(Path("scripts/make_checkpoint.sh"))
    assert [words[1] for words in seen if words[1] != "data"] == [
        "train",
        "checkpoint",
        *["evaluate"] * 3,
        "checkpoint",
    ]
    for words in seen:
        assert parse(words[1:])


def test_the_settings_of_the_steps_are_good_and_fit_together() -> None:
    build, train, merge = (parse(words[1:]) for words in (commands()[0], commands()[2], commands()[3]))
    mixture = MixtureSettings.read(ROOT / str(build["settings"]))
    assert set(mixture.sources) == {"catalogue"}, "the demo downloads nothing"
    config = FinetuneConfig.read(ROOT / str(train["config"]))
    assert {path.parent for path in (*config.train, *config.validation)} == {Path(str(build["target"]))}
    assert (config.model, config.output) == (merge["base"], merge["adapter"])


def test_other_words_are_refused() -> None:
    seen = run_script(ROOT, "--fast")
    assert (seen.returncode, seen.stdout) == (2, "")
    assert "usage" in seen.stderr


@pytest.mark.skipif(not FULL, reason="takes minutes: set FULL_TESTS=1")
@pytest.mark.timeout(3600)
def test_from_raw_data_to_a_served_checkpoint(tmp_path: Path) -> None:
    for name in SHARED:
        (tmp_path / name).symlink_to(ROOT / name)
    seen = run_script(tmp_path, minutes=60)
    assert seen.returncode == 0, seen.stderr
    out = tmp_path / "runs" / "train-demo"
    before, after = (
        json.loads((out / name / "report.json").read_text(encoding="utf-8")) for name in ("before", "after")
    )
    assert before["overall"]["n_samples"] == after["overall"]["n_samples"] > 100
    assert after["overall"]["mean_over_tasks"] > before["overall"]["mean_over_tasks"]
    assert (out / "comparison.html").is_file()
    assert "train-demo" in (out / "checkpoint" / "README.md").read_text(encoding="utf-8")
