from app.jobs.run import TimedPredictor
from app.predictor import Predictor
from app.prompting import PromptLibrary
from app.settings import ROOT
from app.types import Outcome
from tests.jobs.questions import choice, mixed, text
from tests.jobs.stepped_engine import FakeClock, SteppedEngine

PROMPTS = PromptLibrary(ROOT / "prompts")


def timed(step_seconds: float, room: int = 16) -> tuple[TimedPredictor, FakeClock]:
    clock = FakeClock()
    engine = SteppedEngine(room=room, step_seconds=step_seconds, wait=clock.wait)
    return TimedPredictor(Predictor(engine, PROMPTS), 10.0, clock), clock


def test_with_time_enough_the_answers_are_the_predictors() -> None:
    predictor, _ = timed(0.01)
    questions = list(mixed(16))
    plain = Predictor(SteppedEngine(), PROMPTS).predict(questions)
    found = predictor.predict(questions)
    assert [prediction.answer for prediction in found] == [prediction.answer for prediction in plain]
    assert [prediction.id for prediction in found] == [question.id for question in questions]


def test_equal_ids_and_equal_questions_each_get_an_answer() -> None:
    predictor, _ = timed(0.01)
    assert len(predictor.predict([choice(1), choice(1), choice(1)])) == 3


def test_no_questions_no_answers() -> None:
    predictor, _ = timed(0.01)
    assert predictor.predict([]) == []


def test_every_batch_ends_before_its_limit_however_slow_the_engine_is() -> None:
    for step_seconds in (0.5, 2.0, 4.0, 10.0, 30.0):
        predictor, clock = timed(step_seconds)
        for batch in ([text(n) for n in range(16)], list(mixed(16)), [text(n + 50) for n in range(3)]):
            started = clock.now
            found = predictor.predict(batch)
            assert len(found) == len(batch)
            assert all(prediction.answer for prediction in found)
            assert clock.now - started <= 10.0 * len(batch)


def test_idle_time_between_batches_does_not_count() -> None:
    predictor, clock = timed(0.5)
    for _ in range(5):
        clock.wait(1000.0)
        found = predictor.predict([text(n) for n in range(16)])
        assert {prediction.outcome for prediction in found} == {Outcome.CLEAN}


def test_an_engine_that_is_slow_only_at_its_first_call_is_asked_everything() -> None:
    clock = FakeClock()
    cold = [5.0]
    engine = SteppedEngine(
        room=16,
        step_seconds=0.02,
        wait=clock.wait,
        on_request=lambda _: clock.wait(cold.pop() if cold else 0.0),
    )
    predictor = TimedPredictor(Predictor(engine, PROMPTS), 10.0, clock)
    found = [*predictor.predict([text(n) for n in range(16)]), *predictor.predict([text(99)])]
    assert {prediction.outcome for prediction in found} == {Outcome.CLEAN}
