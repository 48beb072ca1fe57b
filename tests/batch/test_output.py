import os
from collections.abc import Callable
from pathlib import Path

import pytest

from app.batch.beside import journal_path, partial_path, store_path
from app.batch.file_job import FileJob
from app.batch.output import check_target
from app.errors import InputError
from tests.batch.questions import mixed, write_questions
from tests.batch.scripted_job import answer
from tests.batch.stepped_engine import SteppedEngine


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
