"""How far a run reads ahead of what it hands on."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from threading import Event

import pytest

from app.jobs import intake
from app.jobs.formats.base import Arriving
from app.jobs.identity import identity_digest
from app.jobs.job import Result
from app.jobs.run import BatchRun, Ending, Limits
from app.jobs.store import Store
from app.predictor import Predictor
from app.prompting import PromptLibrary
from app.rows import Row
from app.settings import ROOT
from app.types import Question
from tests.jobs.questions import choice, text
from tests.jobs.stepped_engine import SteppedEngine

IDENTITY = {"model revision": "1"}
ROWS = 1000
WINDOW = 16
MOST_OPEN = 50


class Watched:
    """A run, and how many rows were read and not handed on at most."""

    def __init__(self, questions: Iterable[Question], noticed: Callable[[], None] = lambda: None) -> None:
        self.questions = questions
        self.noticed = noticed
        self.results: list[Result] = []
        self.read = 0
        self.most_open = 0

    def rows(self) -> Iterator[Row]:
        for number, question in enumerate(self.questions):
            self.read += 1
            self.most_open = max(self.most_open, self.read - len(self.results))
            self.noticed()
            yield Row(number, question.id, question)

    def answer(self, engine: SteppedEngine, store: Store | None = None) -> None:
        predictor = Predictor(engine, PromptLibrary(ROOT / "prompts"))
        run = BatchRun(predictor, store, identity_digest(IDENTITY), self.results.append, Limits(most_open=MOST_OPEN))
        assert run.run(self.rows()) is Ending.FINISHED
        assert [result.row.number for result in self.results] == list(range(self.read))


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "WINDOW", WINDOW)


def answered(path: Path, questions: Iterable[Question]) -> Store:
    """A store opened again."""
    with Store(path) as store:
        store.begin(IDENTITY)
        Watched(questions).answer(SteppedEngine(), store)
    return Store(path)


def test_rows_that_wait_for_an_equal_one_stay_bounded() -> None:
    watched = Watched([text(1)] * ROWS)
    watched.answer(SteppedEngine(text_tokens=200))
    assert len(watched.results) == ROWS
    assert watched.most_open <= MOST_OPEN + WINDOW


def test_results_that_wait_for_a_slow_row_stay_bounded(tmp_path: Path) -> None:
    old = list(map(choice, range(ROWS)))
    watched = Watched([text(1), *old])
    with answered(tmp_path / "j", old) as store:
        watched.answer(SteppedEngine(text_tokens=200), store)
    assert watched.most_open <= MOST_OPEN + WINDOW


def test_the_engine_goes_on_while_answered_rows_are_read(tmp_path: Path) -> None:
    old = list(map(choice, range(ROWS)))
    engine = SteppedEngine(text_tokens=200)
    steps: list[int] = []
    watched = Watched([text(1), *old], lambda: steps.append(engine.steps))
    with answered(tmp_path / "j", old) as store:
        watched.answer(engine, store)
    assert steps.index(1) <= 2 * WINDOW + 1


def test_a_row_that_comes_later_does_not_wait_for_the_rows_that_are_asked() -> None:
    asked, ended = Event(), Event()
    settled: list[str] = []

    def slow() -> Iterator[Row]:
        yield Row(0, "long", text(1))
        assert asked.wait(60)
        yield Row(1, "short", choice(1))
        ended.wait(60)

    def settle(result: Result) -> None:
        settled.append(result.row.id)
        ended.set()

    engine = SteppedEngine(text_tokens=200, step_seconds=0.01, on_request=lambda _: asked.set())
    predictor = Predictor(engine, PromptLibrary(ROOT / "prompts"))
    run = BatchRun(predictor, None, identity_digest(IDENTITY), lambda _: None, Limits(), settled=settle)
    assert run.run(Arriving(slow())) is Ending.FINISHED
    assert settled == ["short", "long"]
