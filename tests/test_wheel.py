"""What is installed from a built package works from any folder, without a checkout around it."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

from app.settings import ROOT

MINI = ROOT / "tests" / "fixtures" / "mini"
SAMPLE = ROOT / "data" / "sample.jsonl"
BUILT_FROM = ["app", "configs", "data", "prompts", "LICENSE", "MANIFEST.in", "README.md", "pyproject.toml", "setup.py"]
Command = Callable[..., "subprocess.CompletedProcess[str]"]


def run(*words: str | Path, cwd: Path) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "SHOPBENCH_MODEL")}
    return subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def build(kind: str, source: Path, target: Path) -> Path:
    """The one file that the build back end makes, as pip calls it."""
    script = f"import sys; from setuptools import build_meta; build_meta.build_{kind}(sys.argv[1])"
    done = run(sys.executable, "-c", script, target, cwd=source)
    assert done.returncode == 0, done.stderr
    (made,) = target.iterdir()
    return made


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel that was built from the source package, and this one's libraries beside it."""
    folder = tmp_path_factory.mktemp("built")
    for name in ("checkout", "sdist", "unpacked", "wheel"):
        (folder / name).mkdir()
    for name in BUILT_FROM:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile
        copy(ROOT / name, folder / "checkout" / name)
    shutil.unpack_archive(build("sdist", folder / "checkout", folder / "sdist"), folder / "unpacked", filter="data")
    (source,) = (folder / "unpacked").iterdir()
    wheel = build("wheel", source, folder / "wheel")

    place = folder / "environment"
    run(sys.executable, "-m", "venv", "--without-pip", place, cwd=folder)
    pip = (sys.executable, "-m", "pip", "--python", place / "bin" / "python")
    done = run(*pip, "install", "--no-deps", "--no-index", wheel, cwd=folder)
    assert done.returncode == 0, done.stderr
    # A path alone: the .pth files of that folder, one of which leads to this checkout, are not read.
    libraries = sysconfig.get_path("purelib", vars={"base": str(place)})
    Path(libraries, "libraries.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    return place


@pytest.fixture
def elsewhere(environment: Path, tmp_path: Path) -> Command:
    """Runs a program of the environment in an empty folder."""
    return lambda *words: run(environment / "bin" / words[0], *words[1:], cwd=tmp_path)


def test_the_wheel_holds_every_file_that_the_code_reads(environment: Path) -> None:
    (app,) = environment.glob("lib/*/site-packages/app")
    # Everything but what running the code leaves behind.
    needed = {path.relative_to(ROOT / "app") for path in (ROOT / "app").rglob("*.*") if "__pycache__" not in path.parts}
    shipped = {
        Path("shipped") / path.relative_to(ROOT)
        for folder in ("prompts", "configs")
        for path in (ROOT / folder).rglob("*.*")
    }

    missing = {path for path in needed | shipped | {Path("shipped/data/sample.jsonl")} if not (app / path).exists()}
    assert not missing


def test_questions_are_routed_without_a_checkout(elsewhere: Command, tmp_path: Path) -> None:
    done = elsewhere("shopbench", "route", SAMPLE, "types.jsonl")

    assert done.returncode == 0, done.stderr
    rows = (tmp_path / "types.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(rows) == len(SAMPLE.read_text(encoding="utf-8").splitlines())
    where = elsewhere("python", "-c", "import app; print(app.__file__)").stdout
    assert str(ROOT) not in where
    assert "site-packages" in where


def test_answers_and_scores_without_a_checkout(elsewhere: Command, tmp_path: Path) -> None:
    model = ("--model", MINI, "--engine", "transformers", "--config", "configs/server.yaml")
    # Choices are scored without the libraries that score texts, which take longest to load.
    rows = SAMPLE.read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "choices.jsonl").write_text("".join(row for row in rows if json.loads(row)["is_multiple_choice"]))

    answered = elsewhere("shopbench", "predict", "choices.jsonl", "answers.jsonl", *model)
    assert answered.returncode == 0, answered.stderr
    scored = elsewhere("shopbench", "evaluate", "choices.jsonl", "--predictions", "answers.jsonl", "--report", "report")
    assert scored.returncode == 0, scored.stderr
    report = json.loads((tmp_path / "report" / "report.json").read_text(encoding="utf-8"))
    assert report["provenance"]["git_revision"] is None
    assert "All tasks" in scored.stdout


def test_no_checkpoint_is_installed_and_the_message_says_what_works(elsewhere: Command) -> None:
    done = elsewhere("shopbench", "predict", SAMPLE, "answers.jsonl")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "shopbench: no checkpoint is named, and none is installed: add --model FOLDER, or set SHOPBENCH_MODEL\n"
    )


def test_an_editable_install_finds_its_files_in_the_checkout(tmp_path: Path) -> None:
    """So its build copies nothing."""
    source = tmp_path / "source"
    (source / "app").mkdir(parents=True)
    for name in ("LICENSE", "README.md", "app/__init__.py", "pyproject.toml", "setup.py"):
        shutil.copyfile(ROOT / name, source / name)
    (tmp_path / "wheel").mkdir()

    build("editable", source, tmp_path / "wheel")

    assert not [path for path in source.rglob("*") if path.name == "shipped"]
