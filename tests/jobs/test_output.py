import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app.errors import InputError
from app.jobs.file_job import FileJob
from app.jobs.store import journal_path
from app.settings import ROOT
from tests.jobs.questions import mixed, write_questions
from tests.jobs.scripted_job import answer
from tests.jobs.stepped_engine import SteppedEngine


@pytest.mark.parametrize("place", [Path, journal_path, lambda target: target.with_name("out.jsonl.part")])
@pytest.mark.parametrize("link", [None, os.symlink, os.link])
def test_an_output_that_would_destroy_the_questions_is_refused(
    tmp_path: Path, place: Callable[[Path], Path], link: Callable[[Path, Path], None] | None
) -> None:
    source = place(tmp_path / "out.jsonl")
    if link is not None:
        link(write_questions(tmp_path / "kept.jsonl", mixed(3)), source)
        source = tmp_path / "kept.jsonl"
    else:
        write_questions(source, mixed(3))
    before = source.read_bytes()
    with pytest.raises(InputError, match="would overwrite the input .*: name another output"):
        answer(FileJob(source, tmp_path / "out.jsonl", input_format="jsonl", overwrite=True), SteppedEngine())
    assert source.read_bytes() == before


def test_a_link_stays_and_the_file_behind_it_is_written_and_locked(tmp_path: Path) -> None:
    source = write_questions(tmp_path / "in.jsonl", mixed(8))
    (tmp_path / "elsewhere").mkdir()
    real, link = tmp_path / "elsewhere" / "out.jsonl", tmp_path / "link.jsonl"
    link.symlink_to(real)
    for target in (link, real):
        answer(FileJob(source, target), engine := SteppedEngine())
        assert len(engine.asked) == (8 if target is link else 0)
    assert link.is_symlink()
    assert len(real.read_bytes().splitlines()) == 8
    assert sorted(path.name for path in tmp_path.iterdir()) == ["elsewhere", "in.jsonl", "link.jsonl"]
    assert journal_path(real).exists()


def test_a_full_disk_is_one_line_and_the_old_output_stays(tmp_path: Path) -> None:
    program = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from app.errors import InputError\n"
        "from tests.jobs.scripted_job import *\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "job = FileJob(Path(sys.argv[1]), Path(sys.argv[2]), output_format='jsonl', overwrite=True)\n"
        "try:\n    answer(job, SteppedEngine())\n"
        "except InputError as error:\n    print(error)\n"
    )
    source, target = write_questions(tmp_path / "in.jsonl", mixed(2000)), tmp_path / "out.jsonl"
    target.write_text("old")
    given = [sys.executable, "-c", program, str(source), str(target)]
    result = subprocess.run(given, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    (said,) = result.stdout.splitlines()
    assert said.startswith(f"cannot write {target}")
    assert "make room" in said
    assert target.read_text() == "old"
    assert not target.with_name("out.jsonl.part").exists()


@pytest.mark.parametrize(
    ("name", "says"), [("none/out.jsonl", "does not exist: create it"), (".", "is a folder: name the file to write")]
)
def test_a_target_that_cannot_be_written_is_refused_first(tmp_path: Path, name: str, says: str) -> None:
    source = write_questions(tmp_path / "in.jsonl", mixed(3))
    with pytest.raises(InputError, match=says):
        answer(FileJob(source, tmp_path / name), SteppedEngine())
    assert not journal_path(tmp_path / name).exists()
