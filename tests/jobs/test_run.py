import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from app.errors import EngineError
from app.jobs.budget import AnswerKind, Budget, Pace
from app.jobs.identity import identity_digest
from app.jobs.intake import WINDOW
from app.jobs.job import Origin, Result
from app.jobs.run import BatchRun, Ending, Limits
from app.jobs.store import Store
from app.openai.chat import ChatRequest
from app.predictor import Predictor
from app.prompting import PromptLibrary
from app.rows import Row
from app.settings import ROOT
from app.types import (
    Choice,
    Completion,
    Copy,
    Failure,
    GenerationRequest,
    Message,
    Outcome,
    OutputConstraint,
    Question,
    SamplingParams,
    Selection,
    TaskType,
)
from tests.jobs.questions import choice, mixed, ranking, text
from tests.jobs.stepped_engine import FakeClock, SteppedEngine

PROMPTS = PromptLibrary(ROOT / "prompts")
IDENTITY = {"model revision": "1"}


def rows(questions: Iterable[Question]) -> Iterator[Row]:
    for number, question in enumerate(questions):
        yield Row(number, question.id, question)


class Counted:
    """Rows, and how many were read."""

    def __init__(self, source: Iterable[Row]) -> None:
        self.source = iter(source)
        self.read = 0

    def __iter__(self) -> Iterator[Row]:
        return self

    def __next__(self) -> Row:
        row = next(self.source)
        self.read += 1
        return row


def answer(
    source: Iterable[Row],
    engine: SteppedEngine | None = None,
    store: Store | None = None,
    limits: Limits | None = None,
    sink: Callable[[Result], None] | None = None,
) -> tuple[Ending, list[Result]]:
    results: list[Result] = []
    run = BatchRun(
        Predictor(engine or SteppedEngine(), PROMPTS),
        store,
        identity_digest(IDENTITY),
        sink or results.append,
        limits,
    )
    return run.run(source), results


def open_store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "j")
    store.begin(IDENTITY)
    return store


def test_results_come_in_the_rows_order() -> None:
    ending, results = answer(rows(mixed(3 * WINDOW + 5)))
    assert ending is Ending.FINISHED
    assert [result.row.number for result in results] == list(range(3 * WINDOW + 5))
    assert [result.prediction.id for result in results] == [question.id for question in mixed(3 * WINDOW + 5)]


def test_answers_are_those_of_the_predictor() -> None:
    _, results = answer(rows(mixed(50)))
    plain = Predictor(SteppedEngine(), PROMPTS).predict(list(mixed(50)))
    assert [result.prediction.answer for result in results] == [prediction.answer for prediction in plain]
    assert [result.prediction.label_probs for result in results] == [prediction.label_probs for prediction in plain]


def kinds_in_order(limits: Limits | None = None) -> list[str]:
    engine = SteppedEngine()
    answer(rows(mixed(64)), engine, limits=limits)
    return [type(request.constraint).__name__ for request in engine.asked if request.id != "probe"]


def test_in_a_window_the_types_go_together_and_long_answers_first() -> None:
    assert kinds_in_order() == ["NoneType"] * 8 + ["Selection"] * 8 + ["Choice"] * 48


def test_under_a_time_limit_short_answers_go_first() -> None:
    budget = Budget(1e6, 64, Pace(time.monotonic), time.monotonic)
    assert kinds_in_order(Limits(budget=budget)) == ["Choice"] * 48 + ["Selection"] * 8 + ["NoneType"] * 8


def test_short_answers_fill_the_places_that_long_ones_leave() -> None:
    engine = SteppedEngine(room=8)
    answer(rows(mixed(256)), engine)
    lengths = [engine.tokens(request) for request in engine.asked]
    # A place that is free at the end costs as much as one that is used.
    assert engine.steps <= sum(lengths) / engine.room + 2 * max(lengths) / engine.room + 2


def test_rows_are_read_as_they_are_needed() -> None:
    source = Counted(rows(map(choice, count())))
    ahead: list[int] = []
    answer(
        source,
        limits=Limits(lambda: len(ahead) >= 5000),
        sink=lambda result: ahead.append(source.read - result.row.number),
    )
    assert max(ahead) <= 2 * WINDOW + 100


def test_the_same_question_is_asked_once() -> None:
    engine = SteppedEngine()
    questions = [choice(1), choice(2), choice(1), replace(choice(1), id="another"), text(1), text(1)]
    _, results = answer(rows(questions), engine)
    assert len(engine.asked) == 3
    assert [result.origin for result in results].count(Origin.REPEATED) == 3
    assert [result.prediction.id for result in results] == ["c1", "c2", "c1", "another", "g1", "g1"]
    assert len({result.prediction.answer for result in results if result.row.id in {"c1", "another"}}) == 1


def test_the_same_question_far_apart_is_asked_once_with_a_store() -> None:
    engine = SteppedEngine()
    questions = [choice(number % 700) for number in range(4 * WINDOW)]
    with Store(None) as store:
        store.begin(IDENTITY)
        answer(rows(questions), engine, store)
    assert len(engine.asked) == 700


def test_a_flag_makes_another_question() -> None:
    engine = SteppedEngine()
    answer(rows([choice(1), replace(choice(1), is_multiple_choice=False)]), engine)
    assert len(engine.asked) == 2


def test_a_second_run_asks_nothing_and_gives_the_same(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        _, first = answer(rows(mixed(100)), None, store)
    engine = SteppedEngine()
    with open_store(tmp_path) as store:
        _, second = answer(rows(mixed(100)), engine, store)
    assert engine.asked == []
    assert {result.origin for result in second} == {Origin.RESUMED}
    assert [result.prediction.answer for result in second] == [result.prediction.answer for result in first]


def test_a_changed_row_alone_is_asked_again(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        answer(rows(mixed(100)), None, store)
    engine = SteppedEngine()
    questions = list(mixed(100))
    questions[3] = choice(1000)
    with open_store(tmp_path) as store:
        _, results = answer(rows(questions), engine, store)
    assert len(engine.asked) == 1
    assert results[3].origin is Origin.ASKED


def test_rows_without_a_question_get_an_error_and_stop_nothing() -> None:
    bad = Row(1, "b", failure=Failure("no_text", "row 1 has no text"))
    ending, results = answer([Row(0, "a", choice(0)), bad, Row(2, "c", choice(2))])
    assert ending is Ending.FINISHED
    assert results[1].prediction.outcome is Outcome.ERROR
    assert results[1].prediction.error == bad.failure
    assert results[0].prediction.answer
    assert results[2].prediction.answer


class Refusing(SteppedEngine):
    """Refuses every request that speaks of a yoga mat."""

    def _completion(self, request: GenerationRequest) -> Completion:
        completion = super()._completion(request)
        if "yoga mat" in request.messages[-1].content:
            return replace(completion, text="", finish_reason="error", error=Failure("adapter", "unknown adapter"))
        return completion


def test_a_refused_request_is_an_error_and_is_not_kept(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        _, results = answer(rows(map(choice, range(16))), Refusing(), store)
    refused = [result for result in results if result.prediction.error is not None]
    assert [result.row.number for result in refused] == [3, 11]
    assert all(result.prediction.outcome is Outcome.FALLBACK and result.prediction.answer for result in refused)
    engine = SteppedEngine()
    with open_store(tmp_path) as store:
        _, results = answer(rows(map(choice, range(16))), engine, store)
    assert len(engine.asked) == 2
    assert all(result.prediction.error is None for result in results)


def test_a_prompt_that_cannot_fit_is_an_error_with_a_legal_answer() -> None:
    engine = SteppedEngine()
    engine.context_length = 20
    _, (result,) = answer(rows([choice(1)]), engine)
    assert result.prediction.error is not None
    assert result.prediction.error.code == "too_long"
    assert result.prediction.answer == "0"


def test_too_many_errors_stop_early_and_keep_what_was_answered(tmp_path: Path) -> None:
    def source() -> Iterator[Row]:
        for number in range(5000):
            if number % 10 == 9:
                yield Row(number, str(number), failure=Failure("no_text", "no text"))
            else:
                yield Row(number, str(number), choice(number))

    engine = SteppedEngine()
    with open_store(tmp_path) as store:
        ending, results = answer(source(), engine, store, Limits(max_errors=20))
        assert ending is Ending.TOO_MANY_ERRORS
        assert len(results) < 500
    with open_store(tmp_path) as store:
        assert store.found == len(engine.asked)


def test_an_interrupted_run_finishes_what_is_in_flight(tmp_path: Path) -> None:
    engine = SteppedEngine(room=8)
    with open_store(tmp_path) as store:
        ending, results = answer(rows(mixed(500)), engine, store, Limits(lambda: len(engine.asked) >= 100))
        assert ending is Ending.INTERRUPTED
    assert len(engine.asked) == 100
    with open_store(tmp_path) as store:
        assert store.found == 100
        ending, again = answer(rows(mixed(500)), engine, store)
    assert ending is Ending.FINISHED
    assert len(engine.asked) == 500
    assert len(results) < 500
    assert len(again) == 500


def test_an_engine_that_fails_loses_nothing_that_was_answered(tmp_path: Path) -> None:
    class Failing(SteppedEngine):
        def _step(self) -> None:
            super()._step()
            if self.steps == 20:
                raise EngineError("out of memory")

    engine = Failing(room=8)
    with open_store(tmp_path) as store, pytest.raises(EngineError, match="out of memory"):
        answer(rows(map(choice, range(500))), engine, store)
    with open_store(tmp_path) as store:
        assert store.found == 19 * 8


def test_a_conversation_goes_to_the_engine_as_it_is() -> None:
    turn = {"role": "user", "content": "Hello"}
    chat = ChatRequest.model_validate({"model": "stepped", "messages": [turn], "max_tokens": 200, "temperature": 0.5})
    engine = SteppedEngine()
    _, (result,) = answer([Row(0, "x", chat=chat)], engine)
    asked = GenerationRequest("", (Message("user", "Hello"),), SamplingParams(200, temperature=0.5))
    assert replace(engine.asked[0], id="") == asked
    assert result.prediction.task_type is None
    assert result.prediction.answer
    assert result.usage is not None
    assert result.usage.output_tokens > 1


@pytest.mark.parametrize(
    ("constraint", "kind"),
    [
        (None, AnswerKind.TEXT),
        (Choice(("0", "1")), AnswerKind.CHOICE),
        (Selection((1, 2), 2), AnswerKind.CONSTRAINED),
        (Copy("a"), AnswerKind.CONSTRAINED),
    ],
)
def test_what_an_answer_costs_follows_its_form(constraint: OutputConstraint | None, kind: AnswerKind) -> None:
    assert AnswerKind.of(GenerationRequest("0", (), SamplingParams(8), constraint)) is kind


def test_a_conversation_that_is_refused_has_no_answer() -> None:
    turn = {"role": "user", "content": "Which yoga mat?"}
    chat = ChatRequest.model_validate({"model": "stepped", "messages": [turn], "max_tokens": 20})
    _, (result,) = answer([Row(0, "x", chat=chat)], Refusing())
    assert (result.prediction.answer, result.prediction.outcome) == (None, Outcome.ERROR)
    assert result.prediction.error == Failure("adapter", "unknown adapter")


def test_as_many_errors_as_are_allowed_end_a_run_and_one_less_does_not() -> None:
    def source() -> list[Row]:
        bad = [Row(number, "b", failure=Failure("no_text", "no text")) for number in range(3)]
        return [*bad, Row(3, "c", choice(3))]

    assert answer(source(), limits=Limits(max_errors=4))[0] is Ending.FINISHED
    assert answer(source(), limits=Limits(max_errors=3))[0] is Ending.TOO_MANY_ERRORS


def test_what_there_was_no_time_for_is_no_error_of_its_row() -> None:
    turn = {"role": "user", "content": "Hello"}
    chat = ChatRequest.model_validate({"model": "stepped", "messages": [turn], "max_tokens": 20})
    budget = Budget(0.0, 1, Pace(time.monotonic), time.monotonic)
    ending, (result,) = answer([Row(0, "x", chat=chat)], limits=Limits(max_errors=1, budget=budget))
    assert ending is Ending.FINISHED
    assert result.prediction.error is not None


@pytest.mark.parametrize(("step_seconds", "probes"), [(0.01, 2), (0.5, 2), (1.0, 1), (3.0, 1)])
def test_the_engine_is_measured_twice_where_there_is_time(step_seconds: float, probes: int) -> None:
    """First calls are slow; a second one is made while it costs no more than a tenth of the time left."""
    clock = FakeClock()
    engine = SteppedEngine(step_seconds=step_seconds, wait=clock.wait)
    budget = Budget(10.0, 4, Pace(clock), clock)
    run = BatchRun(Predictor(engine, PROMPTS), None, b"", lambda _: None, Limits(budget=budget), clock)
    assert run.run(rows(map(text, range(4)))) is Ending.FINISHED
    asked = [request for request in engine.asked if request.id == "probe"]
    assert len(asked) == probes
    assert all(request.sampling.max_tokens == 1 and request.constraint is None for request in asked)


def test_the_types_are_read_from_the_prompt() -> None:
    _, results = answer(rows([choice(0), ranking(0), text(0)]))
    assert [result.prediction.task_type for result in results] == [
        TaskType.MULTIPLE_CHOICE,
        TaskType.RANKING,
        TaskType.GENERATION,
    ]
