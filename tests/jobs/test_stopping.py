"""How a run ends before its rows do: stopped, or out of time."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.database import Database
from app.jobs import intake
from app.jobs.budget import Budget, Pace
from app.jobs.identity import identity_digest
from app.jobs.job import Origin, Result
from app.jobs.run import BatchRun, Ending, Limits
from app.jobs.store import Store
from app.openai.chat import ChatRequest
from app.predictor import Predictor
from app.prompting import PromptLibrary
from app.rows import Row
from app.settings import ROOT
from app.types import Failure, Outcome
from tests.jobs.questions import choice, mixed, text
from tests.jobs.stepped_engine import FakeClock, SteppedEngine

IDENTITY = {"model revision": "1"}
ROWS = 400


def questions(noticed: Callable[[], None] = lambda: None) -> Iterator[Row]:
    for number, question in enumerate(mixed(ROWS)):
        noticed()
        yield Row(number, question.id, question)


def conversations() -> Iterator[Row]:
    for number in range(ROWS):
        turn = {"role": "user", "content": f"Name thing {number}."}
        body = {"model": "stepped", "messages": [turn], "max_tokens": 40, "temperature": 0}
        yield Row(number, str(number), chat=ChatRequest.model_validate(body))


def answer(
    rows: Iterator[Row],
    limits: Limits,
    store: Store | None = None,
    engine: SteppedEngine | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[Ending, list[Result]]:
    results: list[Result] = []
    predictor = Predictor(engine or SteppedEngine(), PromptLibrary(ROOT / "prompts"))
    run = BatchRun(predictor, store, identity_digest(IDENTITY), results.append, limits, clock)
    return run.run(rows), results


def answered(tmp_path: Path) -> Store:
    store = Store(tmp_path / "j")
    store.begin(IDENTITY)
    assert answer(questions(), Limits(), store)[0] is Ending.FINISHED
    return store


def test_rows_without_time_are_no_errors_that_stop_the_run() -> None:
    clock = FakeClock()
    budget = Budget(60.0, ROWS, Pace(clock), clock)
    engine = SteppedEngine(step_seconds=10.0, wait=clock.wait)  # no time for as many tokens as a text needs
    ending, results = answer(conversations(), Limits(max_errors=1, budget=budget), engine=engine, clock=clock)
    assert ending is Ending.FINISHED
    assert [result.prediction.error.code for result in results if result.prediction.error] == ["time_budget"] * ROWS


def test_the_clock_is_looked_at_while_rows_that_need_no_engine_are_read() -> None:
    clock = FakeClock()
    engine = SteppedEngine()
    engine.context_length = 20  # no prompt fits, which only rows that are looked at in full find out
    budget = Budget(ROWS / 4, ROWS, Pace(clock), clock)
    ending, results = answer(questions(lambda: clock.wait(1.0)), Limits(budget=budget), engine=engine)
    assert ending is Ending.FINISHED
    assert len(results) == ROWS
    assert 0 < sum(result.prediction.error is not None for result in results) < ROWS / 2


def test_when_time_is_up_stored_answers_are_still_taken(tmp_path: Path) -> None:
    def with_others() -> Iterator[Row]:
        yield from questions()
        yield Row(ROWS, "new", choice(ROWS))
        yield Row(ROWS + 1, "bad", failure=Failure("no_text", "no text"))

    clock = FakeClock()
    engine = SteppedEngine()
    with answered(tmp_path) as store:
        pass
    with Store(tmp_path / "j") as store:
        limits = Limits(budget=Budget(0.0, ROWS + 2, Pace(clock), clock))
        ending, results = answer(with_others(), limits, store, engine)
    assert ending is Ending.FINISHED
    assert engine.asked == []
    assert [result.origin for result in results] == [Origin.RESUMED] * ROWS + [Origin.UNASKED] * 2
    assert results[ROWS].prediction.outcome is Outcome.UNASKED
    assert results[ROWS + 1].prediction.error == Failure("no_text", "no text")


def test_a_stop_is_heard_while_answered_rows_are_read(tmp_path: Path) -> None:
    read: list[None] = []
    budget = Budget(1e6, ROWS, Pace(time.monotonic), time.monotonic)
    limits = Limits(interrupted=lambda: len(read) >= 5, budget=budget)
    with answered(tmp_path) as store:
        ending, _ = answer(questions(lambda: read.append(None)), limits, store)
    assert ending is Ending.INTERRUPTED
    assert len(read) < 10


def test_rows_that_have_their_answer_take_no_time_from_those_that_have_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def new_rows_first() -> Iterator[Row]:
        for number in range(80):
            yield Row(number, f"n{number}", text(ROWS + number))
        yield from (replace(row, number=row.number + 80) for row in questions())

    clock = FakeClock()
    engine = SteppedEngine(step_seconds=0.1, wait=clock.wait)
    with answered(tmp_path):
        pass
    monkeypatch.setattr(intake, "WINDOW", 16)  # most rows are still to be read when the first are answered
    with Store(tmp_path / "j") as store:
        limits = Limits(budget=Budget(80.0, ROWS + 80, Pace(clock), clock))
        ending, results = answer(new_rows_first(), limits, store, engine, clock)
    assert ending is Ending.FINISHED
    assert [result.origin for result in results] == [Origin.ASKED] * 80 + [Origin.RESUMED] * ROWS
    assert {result.prediction.outcome for result in results[:80]} == {Outcome.CLEAN}
    assert clock.now < 50.0


def test_an_answer_is_forced_to_the_disk_while_the_next_is_long_in_coming(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    forced: list[float] = []
    rows = [Row(0, "c", choice(0)), Row(1, "g", text(1))]
    with Store(tmp_path / "j", clock=clock) as store:
        store.begin(IDENTITY)
        monkeypatch.setattr(Database, "force", lambda _: forced.append(clock.now))
        engine = SteppedEngine(step_seconds=0.3, wait=clock.wait)
        answer(iter(rows), Limits(), store, engine, clock)
    assert forced[0] == pytest.approx(1.2)
    assert clock.now > 5.0
