import errno
import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from app.errors import InputError
from app.jobs.file_job import FileJob
from app.jobs.journal import journal_path, partial_path, store_path
from app.jobs.output import check_target, open_output, real_path
from app.settings import ROOT
from tests.jobs.questions import mixed, write_questions
from tests.jobs.scripted_job import answer
from tests.jobs.stepped_engine import SteppedEngine


@pytest.mark.parametrize("place", [lambda target: target, journal_path, partial_path])
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
    with pytest.raises(InputError, match="would be overwritten .*: name another output"):
        answer(FileJob(source, tmp_path / "out.jsonl", input_format="jsonl", overwrite=True), SteppedEngine())
    assert source.read_bytes() == before


def test_questions_in_the_folder_of_the_store_are_refused(tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    store_path(target).mkdir()
    with pytest.raises(InputError, match="would be overwritten"):
        check_target(target, write_questions(store_path(target) / "in.jsonl", mixed(3)))


def test_a_name_becomes_absolute_and_folders_keep_theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "mount").symlink_to(tmp_path / "real")
    monkeypatch.chdir(tmp_path)
    assert real_path(Path("mount/out.jsonl")) == tmp_path / "mount" / "out.jsonl"
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("mount/out.jsonl")
    assert real_path(Path("a")) == tmp_path / "mount" / "out.jsonl"
    (tmp_path / "circle").symlink_to("circle")
    assert real_path(Path("circle")) == tmp_path / "circle"
    assert real_path(Path("-")) == Path("-")


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


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz"])
def test_what_fails_while_the_output_is_open_keeps_its_name(tmp_path: Path, name: str) -> None:
    def fail() -> None:
        with open_output(tmp_path / name) as output:
            output.file.write(b"one")
            raise ConnectionResetError("the engine")

    with pytest.raises(ConnectionResetError, match="the engine"):
        fail()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz", "out.parquet"])
def test_a_full_disk_is_one_line_and_the_old_output_stays(tmp_path: Path, name: str) -> None:
    program = (
        "import os, resource, signal, sys\n"
        "from pathlib import Path\n"
        "from app.jobs.output import open_output\n"
        "from app.errors import InputError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n"
        "    with open_output(Path(sys.argv[1])) as output:\n"
        "        output.file.write(os.urandom(100_000))\n"
        "        output.complete()\n"
        "except InputError as error:\n    print(error)\n"
    )
    target = tmp_path / name
    target.write_text("old")
    given = [sys.executable, "-c", program, str(target)]
    result = subprocess.run(given, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout == f"cannot write {target}: File too large; make room, then run again\n"
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, "old")]


@pytest.mark.parametrize(
    ("name", "says"), [("none/out.jsonl", "does not exist: create it"), (".", "is a folder: name the file to write")]
)
def test_a_target_that_cannot_be_written_is_refused_first(tmp_path: Path, name: str, says: str) -> None:
    source = write_questions(tmp_path / "in.jsonl", mixed(3))
    with pytest.raises(InputError, match=says):
        answer(FileJob(source, tmp_path / name), SteppedEngine())
    assert not journal_path(tmp_path / name).exists()


def test_rows_appear_on_standard_output_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as pipe:
        monkeypatch.setattr("sys.stdout", pipe)
        with open_output(Path("-")) as output:
            output.file.write(b"a row\n")
            assert os.read(reading, 100) == b"a row\n"
    os.close(reading)


def test_a_reader_that_is_gone_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed(io.RawIOBase):
        def write(self, _: object, /) -> int:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr("sys.stdout", SimpleNamespace(buffer=Closed()))
    with (
        pytest.raises(InputError, match="cannot write -: Broken pipe; its reader is gone"),
        open_output(Path("-")) as output,
    ):
        output.file.write(b"a row\n")
