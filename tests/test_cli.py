"""The command line as a user types it."""

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from app.cli import main
from app.settings import ROOT
from tests.command import one_line, shopbench

HEAVY = ("torch", "transformers", "vllm", "numpy", "pandas", "fastapi", "sentence_transformers", "ray", "datasets")


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    path = tmp_path / "questions.jsonl"
    path.write_text('{"id": "a", "prompt": "Pick one.\\n0. pen\\n1. cup\\nAnswer:", "is_multiple_choice": true}\n')
    return path


def test_help_names_the_commands_and_imports_nothing_heavy() -> None:
    probe = (
        "import sys\nfrom app.cli.main import cli\ntry:\n    cli(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert result.stdout.splitlines()[-1] == "[]"
    for command in ("route", "predict", "demo"):
        assert command in result.stdout


def test_the_version_is_told_and_imports_nothing_heavy() -> None:
    probe = (
        "import sys\nfrom app.cli.main import cli\ntry:\n    cli(['--version'])\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert result.stdout.splitlines() == [f"shopbench {version('shopbench')}", "[]"]


@pytest.mark.parametrize("command", ["route", "predict", "demo"])
def test_every_command_has_an_example(command: str) -> None:
    assert f"shopbench {command}" in shopbench(command, "--help").stdout


def test_route_writes_a_line_a_row_in_order(tmp_path: Path) -> None:
    out = tmp_path / "types.jsonl"
    result = shopbench("route", ROOT / "data" / "sample.jsonl", out)
    assert result.returncode == 0, result.stderr
    expected = [json.loads(line) for line in (ROOT / "data" / "sample.jsonl").read_text().splitlines()]
    assert [json.loads(line) for line in out.read_text().splitlines()] == [
        {"id": row["id"], "task_type": row["task_type"]} for row in expected
    ]


def test_route_keeps_going_past_bad_rows(tmp_path: Path, questions: Path) -> None:
    with questions.open("a") as file:
        file.write("not json\n")
    out = tmp_path / "types.jsonl"
    result = shopbench("route", questions, out)
    assert result.returncode == 1
    first, second = (json.loads(line) for line in out.read_text().splitlines())
    assert first == {"id": "a", "task_type": "multiple-choice"}
    assert second["task_type"] is None
    assert second["error"]["code"] == "invalid_json"


@pytest.mark.parametrize(
    ("words", "environment", "says"),
    [
        (["--engine", "vlm"], {}, "unknown engine 'vlm'"),
        (["--model", "no/such/folder"], {}, "no/such/folder"),
        (["--config", "none.yaml"], {}, "cannot read the settings file none.yaml"),
        (["--ray-address", "auto"], {}, "for --executor ray: add it, or leave them out"),
        (["--executor", "ray", "--engine", "vlm"], {}, "unknown engine 'vlm'"),
        (["--executor", "ray", "--time-budget", "70m"], {}, "use --executor local"),
        ([], {"SHOPBENCH_MODLE": "x"}, "unknown setting 'modle'; did you mean 'model'?"),
        ([], {"SHOPBENCH_PROMPTS": "/nowhere"}, "no template for 'multiple-choice'"),
    ],
)
def test_set_up_faults_are_one_line_and_exit_2(
    tmp_path: Path, questions: Path, words: list[str], environment: dict[str, str], says: str
) -> None:
    out = tmp_path / "out.jsonl"
    result = shopbench("predict", questions, out, *words, environment=environment)
    assert says in one_line(result)
    assert not out.exists()


def test_a_fault_of_ours_does_not_end_like_a_job_that_is_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(main, "cli", fail)
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 70
    assert "Traceback" in (said := capsys.readouterr().err)
    assert "a fault of ours" in said


def test_a_missing_input_is_one_line(tmp_path: Path) -> None:
    result = shopbench("predict", tmp_path / "none.jsonl", tmp_path / "out.jsonl")
    assert "none.jsonl: No such file" in one_line(result)


def test_an_empty_input_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").touch()
    result = shopbench("predict", tmp_path / "empty.jsonl", tmp_path / "out.jsonl")
    assert "is empty" in one_line(result)


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path, questions: Path) -> None:
    result = shopbench("predict", questions, tmp_path / "none" / "out.jsonl")
    assert f"{tmp_path / 'none'} does not exist" in one_line(result)
