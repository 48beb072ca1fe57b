import io
import signal
import sys
from pathlib import Path

import pytest
import yaml
from rich.console import Console
from typer.testing import CliRunner

from app.cli import train
from app.cli.main import cli
from app.cli.train import TrainingProgress
from app.errors import InputError, SetupError
from tests.train.runs import values_for
from tests.train.test_adapters import make_adapter


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    text = io.StringIO()
    monkeypatch.setattr(train, "stderr", Console(file=text, width=300))
    return text


def small(folder: Path, checkpoint: Path) -> dict[str, object]:
    optimizer = {"steps": 4, "batch_size": 1}
    return values_for(folder, checkpoint, optimizer=optimizer, evaluation={"every": 2}, save_every=2)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_saves_and_says_how_to_go_on(
    console: io.StringIO,
    monkeypatch: pytest.MonkeyPatch,
    checkpoint: Path,
    tmp_path: Path,
    number: signal.Signals,
    code: int,
) -> None:
    class Interrupting(TrainingProgress):
        def stepped(self, step: int) -> None:
            super().stepped(step)
            if step == 1:
                signal.raise_signal(number)

    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(small(tmp_path, checkpoint)), encoding="utf-8")
    monkeypatch.setattr(train, "TrainingProgress", Interrupting)
    assert CliRunner().invoke(cli, ["train", str(path)], catch_exceptions=False).exit_code == code
    said = console.getvalue()
    assert f"{number.name}: finishing what is in flight" in said
    assert "stopped after step 1 of 4: give the same command again to go on" in said
    assert (tmp_path / "adapter.run" / "checkpoint-1").is_dir()


def test_the_command_trains_shows_losses_and_says_how_to_serve(
    console: io.StringIO, checkpoint: Path, tmp_path: Path
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(small(tmp_path, checkpoint)), encoding="utf-8")
    done = CliRunner().invoke(cli, ["train", str(path)], catch_exceptions=False)
    assert done.exit_code == 0
    said = console.getvalue()
    assert "training: 24 rows" in said
    assert "step 2/4  answer_loss " in said
    assert "step 4/4  eval_loss " in said
    assert "multilingual " in said
    assert " tokens/s  " in said
    assert "min left" in said
    assert f"{tmp_path / 'adapter'}: serve it with engine_settings" in said
    assert CliRunner().invoke(cli, ["train", str(path)]).exit_code == 0
    assert "was finished before, in 4 steps; --overwrite" in console.getvalue()


def test_a_sitting_that_is_out_of_time_has_an_exit_code_of_its_own(
    console: io.StringIO, checkpoint: Path, tmp_path: Path
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(small(tmp_path, checkpoint)), encoding="utf-8")
    assert CliRunner().invoke(cli, ["train", str(path), "--time-budget", "0.001s"]).exit_code == 75
    assert "stopped after step 1 of 4: give the same command again to go on" in console.getvalue()
    assert (tmp_path / "adapter.run" / "checkpoint-1").is_dir()


def test_a_terminal_shows_a_bar_and_losses_by_capability(monkeypatch: pytest.MonkeyPatch) -> None:
    text = io.StringIO()
    monkeypatch.setattr(train, "stderr", Console(file=text, width=200, force_terminal=True))
    with TrainingProgress(quiet=False) as progress:
        progress.began(10, 4)
        progress.stepped(5)
        progress.logged({"answer_loss": 1.5, "answer_loss/multilingual": 2.25, "learning_rate": 1e-4})
        progress.logged({"eval_loss": 1.25, "eval_loss/multilingual": 2.125})
    said = text.getvalue()
    for shown in ("5/10", "multilingual", "2.2500", "1.2500", "validation"):
        assert shown in said


def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trl", None)
    with (
        pytest.raises(
            SetupError, match=r"training needs trl, which is not installed: pip install 'shopbench\[train\]'"
        ),
        train.loading_training_libraries(),
    ):
        import trl  # noqa: F401  # which fails


def test_adapters_are_combined_from_the_command_line(checkpoint: Path, tmp_path: Path) -> None:
    folders = [str(make_adapter(checkpoint, tmp_path / name, seed)) for seed, name in enumerate(("a", "b"))]
    out = str(tmp_path / "out")
    done = CliRunner().invoke(cli, ["adapters", "combine", *folders, "--weights", "0.7,0.3", "--out", out])
    assert done.exit_code == 0
    assert (tmp_path / "out" / "adapter_model.safetensors").is_file()
    wrong = CliRunner().invoke(cli, ["adapters", "combine", *folders, "--weights", "much", "--out", out])
    assert isinstance(wrong.exception, InputError)
    assert "--weights must be numbers with commas" in str(wrong.exception)
