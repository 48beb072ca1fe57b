import io
import json
import re
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from rich.console import Console
from typer.testing import CliRunner

from app.cli import train
from app.cli.main import cli
from app.cli.train import TrainingProgress
from app.errors import InputError, SetupError
from app.forms import forms_of
from app.predictor import create_predictor
from app.settings import Form, load_settings
from app.types import Question, TaskType
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
    assert (
        f"{tmp_path / 'adapter'}, with its card: serve it with\nshopbench serve --config {tmp_path}/adapter.run/"
        in said
    )
    assert CliRunner().invoke(cli, ["train", str(path)]).exit_code == 0
    assert "was finished before, in 4 steps; --overwrite" in console.getvalue()


OWN: list[Mapping[str, object]] = [
    *(
        {"instruction": f"Which of these is a {name}?\nA. rug\nB. {name}\nC. cup", "input": "", "output": "B"}
        for name in ("lamp", "kettle", "tent", "drum")
    ),
    {
        "messages": [
            {"role": "user", "content": "Extract the colour from the product title.\nTitle: red kettle, large"},
            {"role": "assistant", "content": "red"},
        ]
    },
    {"conversations": [{"from": "human", "value": "Describe a tent."}, {"from": "gpt", "value": "It keeps you dry."}]},
    {"prompt": "Describe a drum.", "completion": None},
]


@pytest.fixture
def own(tmp_path: Path, checkpoint: Path) -> list[str]:
    """The command that trains on rows of one's own, without any file of settings."""
    (tmp_path / "own.json").write_text(json.dumps(OWN), encoding="utf-8")
    changes = {
        "model": checkpoint, "train": tmp_path / "own.json", "output": tmp_path / "own", "device": "cpu",
        "lora.rank": 4, "optimizer.steps": 3, "optimizer.batch_size": 2, "log_every": 1, "forms.ranking.ask": "texts",
    }  # fmt: skip
    return ["train", *(word for name, value in changes.items() for word in ("--set", f"{name}={value}"))]


def test_rows_of_ones_own_train_straight_and_are_served_by_the_last_line(
    console: io.StringIO, own: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SHOPBENCH_MODEL", raising=False)
    assert CliRunner().invoke(cli, own, catch_exceptions=False).exit_code == 0
    said = console.getvalue()
    assert "own.json: 4 x options with letters numbered from 0, 1 x a question without an answer\n" in said
    assert re.search(r"training: \d+\.\d{4} nats a token at first, \d+\.\d{4} at last\n[\d,]+ tokens/s", said)
    serving = tmp_path / "own.run" / "serve.yaml"
    assert said.endswith(f"shopbench serve --config {serving}\n")

    record = json.loads((tmp_path / "own" / "training.json").read_text())
    assert record["data"]["train"][0]["faults"]["a question without an answer"] == 1
    card = (tmp_path / "own" / "README.md").read_text()
    assert "# own\n" in card
    assert "library_name: peft" in card
    assert f"| trained tokens | {record['progress']['trained_tokens']:,} |" in card
    assert "license" not in card
    assert "No licence is given" in card

    settings = load_settings(serving, {"engine": "transformers"})
    assert forms_of(settings) == {TaskType.RANKING: Form(ask="texts")}
    question = Question("", "Which of these is a vase?\n0. rug\n1. vase", True)
    with create_predictor(settings) as predictor:
        assert predictor.prepare(question, "0").request.adapter == "own"  # type: ignore[union-attr]
        assert predictor.predict([question])[0].answer in ("0", "1")


def test_a_dry_run_shows_three_rows_and_writes_nothing(own: list[str], tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    done = CliRunner().invoke(cli, [*own, "--dry-run"], catch_exceptions=False)
    assert done.exit_code == 0
    assert sorted(tmp_path.iterdir()) == before
    assert "own.json: 1 generation, 4 multiple-choice, 1 named_entity_recognition; 4 x options with" in done.stdout
    assert "training: 6 rows, " in done.stdout
    assert "3 steps of 2 rows on one process, 1.00 epochs" in done.stdout
    shown = re.split(r"\n--- .*row \d+: ", done.stdout)[1:]
    assert [text.split("\n")[0] for text in shown] == ["multiple-choice", "named_entity_recognition", "generation"]
    assert "Which of these is a lamp?\n0. rug\n1. lamp\n2. cup" in shown[0]
    assert [re.search(r"--- learnt\n(.*)", text)[1] for text in shown] == [  # type: ignore[index]
        "1<|im_end|>", "red<|im_end|>", "It keeps you dry.<|im_end|>",
    ]  # fmt: skip


def test_a_run_without_settings_is_told_what_it_needs() -> None:
    done = CliRunner().invoke(cli, ["train"])
    assert isinstance(done.exception, SetupError)
    assert "name a file of settings, see configs/lora.yaml, or give --set" in str(done.exception)


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
