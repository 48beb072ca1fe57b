"""What --overwrite takes, when, and what it leaves."""

from dataclasses import replace
from pathlib import Path

import pytest

from app.errors import EngineError, InputError, SetupError
from app.jobs.file_job import FileJob, answer_file
from app.jobs.store import journal_path
from app.predictor import Predictor
from tests.jobs.questions import mixed, write_questions
from tests.jobs.scripted_job import IDENTITY, answer, keys_of
from tests.jobs.stepped_engine import SteppedEngine


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_questions(tmp_path / "in.jsonl", mixed(40))


def test_overwrite_given_again_after_a_stop_goes_on(source: Path, tmp_path: Path) -> None:
    class Failing(SteppedEngine):
        def _step(self) -> None:
            super()._step()
            if self.steps == 15:
                raise EngineError("lost the GPU")

    job = FileJob(source, tmp_path / "out.jsonl", overwrite=True)
    answer(job, SteppedEngine())
    before = job.target.read_bytes()
    with pytest.raises(EngineError):
        answer(job, Failing())
    assert job.target.read_bytes() == before, "the old output stays until the new one is whole"
    kept = len(keys_of(job.target))
    engine = SteppedEngine()
    answer(job, engine)
    assert len(engine.asked) == 40 - kept < 40
    answer(job, engine := SteppedEngine())
    assert len(engine.asked) == 40


def test_overwrite_loses_nothing_where_the_engine_does_not_load(source: Path, tmp_path: Path) -> None:
    job = FileJob(source, tmp_path / "out.jsonl")
    answer(job, SteppedEngine())
    before = journal_path(job.target).read_bytes()

    def load() -> Predictor:
        raise SetupError("no room on the GPU")

    with pytest.raises(SetupError):
        answer_file(replace(job, overwrite=True), load, lambda: IDENTITY | {"model revision": "2"})
    assert journal_path(job.target).read_bytes() == before


def test_an_output_without_a_journal_is_not_overwritten_by_accident(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    target.write_text("precious")
    with pytest.raises(InputError, match="exists, and no journal beside it says what made it: add --overwrite"):
        answer(FileJob(source, target), SteppedEngine())
    assert target.read_text() == "precious"
    answer(FileJob(source, target, overwrite=True), SteppedEngine())
    assert len(target.read_bytes().splitlines()) == 40
