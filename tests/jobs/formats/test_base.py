import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from app.errors import InputError
from app.jobs.formats.base import Arriving, as_they_arrive
from app.jobs.identity import identity_digest
from app.jobs.job import Result
from app.jobs.run import BatchRun, Ending, Limits
from app.predictor import Predictor
from app.prompting import PromptLibrary
from app.rows import Row
from app.settings import ROOT
from tests.jobs.questions import mixed
from tests.jobs.stepped_engine import SteppedEngine


def rows(count: int) -> Iterator[Row]:
    for number, question in enumerate(mixed(count)):
        yield Row(number, question.id, question)


def run(source: Iterator[Row], limits: Limits, results: list[Result]) -> Ending:
    predictor = Predictor(SteppedEngine(), PromptLibrary(ROOT / "prompts"))
    return BatchRun(predictor, None, identity_digest({}), results.append, limits).run(source)


def test_all_rows_come_in_order() -> None:
    assert list(Arriving(rows(3_000))) == list(rows(3_000))


def test_the_end_stays_the_end() -> None:
    arriving = Arriving(rows(1))
    assert arriving.ready(60)
    assert [next(arriving, None) is None for _ in range(3)] == [False, True, True]


def test_rows_are_answered_before_more_are_there() -> None:
    answered = Event()
    results: list[Result] = []

    def slow() -> Iterator[Row]:
        source = rows(20)
        for _ in range(10):
            yield next(source)
        assert answered.wait(60)
        yield from source

    def interrupted() -> bool:
        if len(results) == 10:
            answered.set()
        return False

    assert run(Arriving(slow()), Limits(interrupted), results) is Ending.FINISHED
    assert [result.row for result in results] == list(rows(20))


def test_a_stop_is_heard_while_no_row_comes() -> None:
    never = Event()
    results: list[Result] = []

    def stuck() -> Iterator[Row]:
        yield from rows(3)
        never.wait(60)

    assert run(Arriving(stuck()), Limits(lambda: len(results) == 3), results) is Ending.INTERRUPTED
    never.set()


def test_what_is_wrong_with_the_input_is_raised_where_its_rows_are_taken() -> None:
    def broken() -> Iterator[Row]:
        yield from rows(1)
        raise InputError("no more")

    arriving = Arriving(broken())
    next(arriving)
    with pytest.raises(InputError, match="no more"):
        next(arriving)
    assert list(arriving) == []


def test_pipes_are_read_by_a_thread_and_files_as_ever(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    read = as_they_arrive(lambda _: rows(1))
    assert isinstance(read(tmp_path / "pipe"), Arriving)
    assert isinstance(read(Path("-")), Arriving)
    assert not isinstance(read(tmp_path / "a.jsonl"), Arriving)


def test_a_thread_that_waits_for_input_does_not_keep_the_process() -> None:
    code = (
        "import sys; from pathlib import Path; from app.jobs.formats.choosing import FORMATS; "
        "r = FORMATS['jsonl'].read(Path('-')); next(r); sys.exit(130)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(b"{}\n")
        process.stdin.flush()
        assert process.wait(60) == 130
