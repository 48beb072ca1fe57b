from collections.abc import Callable
from dataclasses import dataclass
from math import exp

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.jobs.budget import Allowance, AnswerKind, Budget, Pace
from app.jobs.identity import identity_digest
from app.jobs.job import Origin, Result
from app.jobs.run import BatchRun, Ending, Limits
from app.openai.chat import ChatRequest
from app.predictor import Predictor
from app.prompting import PromptLibrary
from app.rows import Row
from app.settings import ROOT
from app.types import Failure, Outcome, Question, TaskType
from tests.jobs.questions import choice, mixed, ranking, text
from tests.jobs.stepped_engine import FakeClock, SteppedEngine

PROMPTS = PromptLibrary(ROOT / "prompts")


@dataclass
class Timed:
    """A run under a time limit, on a clock that only the engine's steps move."""

    results: list[Result]
    engine: SteppedEngine
    seconds: float

    def outcomes(self, task_type: TaskType) -> list[Outcome]:
        return [r.prediction.outcome for r in self.results if r.prediction.task_type is task_type]


def timed(questions: list[Question], limit: float, step_seconds: float, room: int = 8) -> Timed:
    clock = FakeClock()
    engine = SteppedEngine(room=room, step_seconds=step_seconds, wait=clock.wait)
    results: list[Result] = []
    budget = Budget(limit, len(questions), Pace(clock), clock)
    run = BatchRun(Predictor(engine, PROMPTS), None, identity_digest({}), results.append, Limits(budget=budget), clock)
    source = (Row(number, question.id, question) for number, question in enumerate(questions))
    assert run.run(source) is Ending.FINISHED
    return Timed(results, engine, clock.now)


def needed(questions: list[Question], step_seconds: float) -> float:
    """Seconds that the engine takes in full."""
    return timed(questions, 1e9, step_seconds).seconds


MIX = list(mixed(400))


def test_with_time_enough_nothing_is_shortened() -> None:
    run = timed(MIX, needed(MIX, 0.05) * 1.5, 0.05)
    assert [result.prediction.outcome for result in run.results] == [Outcome.CLEAN] * len(MIX)


def test_texts_get_shorter_first() -> None:
    limit = needed(MIX, 0.05) * 0.7
    run = timed(MIX, limit, 0.05)
    assert run.seconds <= limit
    assert Outcome.SHORTENED in run.outcomes(TaskType.GENERATION)
    assert set(run.outcomes(TaskType.MULTIPLE_CHOICE)) == {Outcome.CLEAN}
    assert set(run.outcomes(TaskType.RANKING)) == {Outcome.CLEAN}
    shortened = [r for r in run.results if r.prediction.outcome is Outcome.SHORTENED]
    assert all(result.prediction.answer for result in shortened)


def test_then_texts_get_their_default_answer_and_choices_are_still_asked() -> None:
    limit = needed(MIX, 0.05) * 0.25
    run = timed(MIX, limit, 0.05)
    assert run.seconds <= limit
    assert run.outcomes(TaskType.GENERATION).count(Outcome.UNASKED) > 10
    assert run.outcomes(TaskType.MULTIPLE_CHOICE).count(Outcome.CLEAN) == 300


def test_at_last_everything_gets_its_default_answer() -> None:
    run = timed(MIX, 1.0, 10.0)
    assert len(run.results) == 400
    assert {result.prediction.outcome for result in run.results} == {Outcome.UNASKED}
    assert all(result.prediction.answer for result in run.results)
    assert all(r.prediction.error is None and r.origin is Origin.UNASKED for r in run.results)


def test_an_engine_that_becomes_slow_is_noticed() -> None:
    clock = FakeClock()
    engine = SteppedEngine(room=8, step_seconds=0.05, wait=clock.wait)

    class Slowing(SteppedEngine):
        def _step(self) -> None:
            super()._step()
            if self.steps == 60:
                self.step_seconds = 0.5

    engine = Slowing(room=8, step_seconds=0.05, wait=clock.wait)
    results: list[Result] = []
    limit = needed(MIX, 0.05) * 2
    limits = Limits(budget=Budget(limit, len(MIX), Pace(clock), clock))
    run = BatchRun(Predictor(engine, PROMPTS), None, identity_digest({}), results.append, limits, clock)
    run.run(Row(number, question.id, question) for number, question in enumerate(MIX))
    assert len(results) == 400
    assert clock.now <= limit


def test_expiry_is_noticed_by_the_clock_although_no_answer_comes() -> None:
    clock = FakeClock()

    class Stalling(SteppedEngine):
        """Goes slow before its first answer is there: nothing ends any more before the limit."""

        def _step(self) -> None:
            super()._step()
            if self.steps == 6:
                self.step_seconds = 2.0

    engine = Stalling(room=8, step_seconds=0.01, text_tokens=60, wait=clock.wait)
    results: list[Result] = []
    limits = Limits(budget=Budget(20.0, 8, Pace(clock), clock))
    run = BatchRun(Predictor(engine, PROMPTS), None, identity_digest({}), results.append, limits, clock)
    assert run.run(Row(number, f"g{number}", text(number)) for number in range(8)) is Ending.FINISHED
    assert {result.prediction.outcome for result in results} == {Outcome.UNASKED}
    assert len(results) == 8
    assert 15.0 < clock.now <= 20.0


@settings(max_examples=30)
@given(
    step=st.floats(0.001, 5.0),
    part=st.floats(0.02, 2.0),
    room=st.integers(1, 64),
    kinds=st.lists(st.sampled_from([choice, ranking, text]), min_size=1, max_size=80),
)
def test_there_is_an_answer_for_every_row_before_the_limit(
    step: float, part: float, room: int, kinds: list[Callable[[int], Question]]
) -> None:
    questions = [kind(number) for number, kind in enumerate(kinds)]
    # At least a probe and one step for each place that is refilled must fit, or nothing can be learned in time.
    limit = max(needed(questions, step) * part, 6 * step + 1.5)
    run = timed(questions, limit, step, room)
    assert len(run.results) == len(questions)
    assert all(result.prediction.answer for result in run.results)
    assert run.seconds <= limit


def test_a_conversation_without_time_says_so() -> None:
    clock = FakeClock()
    turn = {"role": "user", "content": "Hello"}
    chat = ChatRequest.model_validate({"model": "stepped", "messages": [turn], "max_tokens": 50})
    results: list[Result] = []
    limits = Limits(budget=Budget(0.0, 1, Pace(clock), clock))
    run = BatchRun(
        Predictor(SteppedEngine(wait=clock.wait), PROMPTS), None, identity_digest({}), results.append, limits, clock
    )
    assert run.run([Row(0, "x", chat=chat)]) is Ending.FINISHED
    (result,) = results
    assert result.prediction.error is not None
    assert result.prediction.error.code == "time_budget"


def test_a_bad_row_keeps_its_own_error_when_time_is_up() -> None:
    clock = FakeClock()
    results: list[Result] = []
    limits = Limits(budget=Budget(0.0, 1, Pace(clock), clock))
    run = BatchRun(
        Predictor(SteppedEngine(wait=clock.wait), PROMPTS), None, identity_digest({}), results.append, limits, clock
    )
    run.run([Row(0, "x", failure=Failure("no_text", "row 0 has no text"))])
    assert results[0].prediction.error == Failure("no_text", "row 0 has no text")


class TestPace:
    def test_it_knows_nothing_at_first(self) -> None:
        assert not Pace(FakeClock()).known

    def test_idle_time_does_not_count(self) -> None:
        clock = FakeClock()
        pace = Pace(clock)
        for _ in range(20):
            clock.wait(1.0)
            pace.finished(AnswerKind.TEXT, 0, 10, clock.now - 1.0, shortened=False)
        before = pace.rate
        clock.wait(1000.0)
        pace.resume()
        assert pace.rate == before == pytest.approx(10.0)

    def test_shortened_answers_say_nothing_about_whole_ones(self) -> None:
        clock = FakeClock()
        pace = Pace(clock)
        pace.saw(AnswerKind.TEXT, 40)
        for tokens, shortened in ((40, False), (8, True), (8, True)):
            clock.wait(1.0)
            pace.finished(AnswerKind.TEXT, 0, tokens, 0.0, shortened=shortened)
        assert pace.mean_work([AnswerKind.TEXT]) == 40

    def test_what_was_not_seen_yet_is_taken_to_be_long(self) -> None:
        clock = FakeClock()
        pace = Pace(clock)
        pace.saw(AnswerKind.TEXT, 100)
        assert pace.mean_work([AnswerKind.TEXT]) == 100
        for _ in range(100):
            clock.wait(1.0)
            pace.finished(AnswerKind.TEXT, 0, 20, clock.now - 1.0, shortened=False)
        assert pace.mean_work([AnswerKind.TEXT]) == pytest.approx(20, rel=0.2)

    def test_recent_times_count_more(self) -> None:
        clock = FakeClock()
        pace = Pace(clock)
        for seconds in [1.0] * 100 + [5.0] * 100:
            clock.wait(seconds)
            pace.finished(AnswerKind.TEXT, 0, 10, clock.now - seconds, shortened=False)
        assert pace.rate == pytest.approx(2.0, rel=0.05)

    def test_sixteen_answers_are_enough_to_project(self) -> None:
        clock = FakeClock()
        pace = paced(15, 1.0, {AnswerKind.TEXT: 10}, clock)
        known = [pace.known]
        clock.wait(1.0)
        pace.finished(AnswerKind.TEXT, 0, 10, clock.now, shortened=False)
        assert [*known, pace.known] == [False, True]
        assert not paced(16, 0.0, {AnswerKind.TEXT: 10}, clock).known, "no time has passed"

    def test_sixteen_prompt_tokens_are_the_work_of_one_output_token(self) -> None:
        clock = FakeClock()
        pace = Pace(clock)
        for _ in range(20):
            clock.wait(2.0)
            pace.saw(AnswerKind.CHOICE, 1)
            pace.finished(AnswerKind.CHOICE, 64, 1, clock.now - 2.0, shortened=False)
        assert pace.rate == pytest.approx((64 / 16 + 1) / 2)
        assert pace.mean_work(AnswerKind) == pytest.approx(64 / 16 + 1)

    def test_the_mix_is_that_of_the_rows_seen(self) -> None:
        pace = Pace(FakeClock())
        assert (pace.share(AnswerKind.TEXT), pace.mean_work(AnswerKind)) == (0, 0)
        for kind, cap in (
            (AnswerKind.TEXT, 100),
            (AnswerKind.CHOICE, 1),
            (AnswerKind.CHOICE, 1),
            (AnswerKind.CONSTRAINED, 9),
        ):
            pace.saw(kind, cap)
        assert pace.share(AnswerKind.CHOICE) == 0.5
        assert pace.mean_work(AnswerKind) == (100 + 1 + 1 + 9) / 4
        assert pace.mean_work(AnswerKind, text_tokens=20) == (20 + 1 + 1 + 9) / 4
        assert pace.mean_work([AnswerKind.CONSTRAINED], text_tokens=20) == 9 / 4

    def test_four_full_answers_are_taken_for_granted(self) -> None:
        clock = FakeClock()
        pace = Pace(clock)
        pace.saw(AnswerKind.TEXT, 50)
        for _ in range(4):
            pace.finished(AnswerKind.TEXT, 0, 10, clock.now, shortened=False)
        assert pace.mean_work([AnswerKind.TEXT]) == (4 * 50 + 4 * 10) / 8

    def test_a_long_answer_gives_the_time_of_a_token_and_a_short_one_the_wait_for_it(self) -> None:
        clock = FakeClock()
        pace = Pace(clock)
        clock.wait(6.0)
        pace.finished(AnswerKind.TEXT, 0, 4, 2.0, shortened=False)
        assert (pace.seconds_per_token, pace.first_token_seconds, pace.longest_gap) == (1.0, 0.0, 6.0)
        pace.finished(AnswerKind.TEXT, 0, 3, 4.0, shortened=False)
        assert (pace.seconds_per_token, pace.first_token_seconds) == (1.0, 2.0)
        # Both fade as time goes by, and are not lowered by what was faster.
        clock.wait(30.0)
        pace.finished(AnswerKind.TEXT, 0, 1, clock.now - 0.1, shortened=False)
        pace.finished(AnswerKind.TEXT, 0, 10, clock.now - 0.1, shortened=False)
        assert pace.seconds_per_token == pytest.approx(exp(-1))
        assert pace.first_token_seconds == pytest.approx(2 * exp(-1))
        assert pace.longest_gap == 30.0
        clock.wait(10.0)
        pace.finished(AnswerKind.TEXT, 0, 1, clock.now, shortened=False)
        assert pace.longest_gap == pytest.approx(30 * exp(-1))


def paced(rows: int, seconds: float, tokens: dict[AnswerKind, int], clock: FakeClock) -> Pace:
    """A pace that has seen `rows` answers of each kind, all as long as their cap, one every `seconds`."""
    pace = Pace(clock)
    for kind, count in tokens.items():
        for _ in range(rows):
            clock.wait(seconds)
            pace.saw(kind, count)
            pace.finished(kind, 0, count, clock.now - seconds, shortened=False)
    return pace


class TestBudget:
    """What may be asked, on a pace that is known."""

    @pytest.mark.parametrize(
        ("limit", "gap", "kept"),
        [
            (1000.0, 0.0, 20.0),  # a fiftieth for the end of the file
            (10.0, 0.0, 1.0),  # a second at least
            (10.0, 0.5, 2.0),  # two pauses between answers
            (10.0, 8.0, 5.0),  # half of the limit at most
        ],
    )
    def test_part_of_the_limit_is_kept_for_the_end(self, limit: float, gap: float, kept: float) -> None:
        clock = FakeClock()
        pace = paced(1, gap, {AnswerKind.CHOICE: 1}, clock)
        budget = Budget(limit, 0, pace, clock)
        assert budget.seconds_left == pytest.approx(limit - kept)
        expired = [budget.expired]
        clock.wait(limit - kept)
        assert [*expired, budget.expired] == [False, True]
        assert budget.allowance(1) == Allowance(frozenset())

    def test_the_time_between_two_limits_is_no_step_and_no_gap(self) -> None:
        clock = FakeClock()
        pace = Pace(clock)
        clock.wait(1000.0)
        Budget(10.0, 1, pace, clock)
        pace.stepped()
        pace.finished(AnswerKind.CHOICE, 0, 1, clock.now, shortened=False)
        assert (pace.longest_step, pace.longest_gap) == (0.0, 0.0)

    def test_each_row_without_an_answer_keeps_a_millisecond(self) -> None:
        clock = FakeClock()
        budget = Budget(100.0, 1000, Pace(clock), clock)
        assert budget.seconds_left == pytest.approx(97.0)
        budget.settle()
        budget.settle(499)
        assert budget.seconds_left == pytest.approx(97.5)
        budget.settle(1000)
        assert budget.seconds_left == pytest.approx(98.0)

    def test_the_longest_step_of_the_engine_is_kept_too(self) -> None:
        clock = FakeClock()
        pace = Pace(clock)
        clock.wait(3.0)
        pace.stepped()
        assert Budget(10.0, 0, pace, clock).seconds_left == pytest.approx(6.0)
        clock.wait(10.0)
        pace.stepped()
        clock.wait(1.0)
        pace.stepped()
        assert pace.longest_step == pytest.approx(10.0 * exp(-0.1))

    @given(
        tokens=st.tuples(st.integers(1, 60), st.integers(1, 60), st.integers(30, 300)),
        rows=st.integers(1, 20_000),
        pending=st.integers(0, 50),
    )
    def test_what_is_allowed_fits_and_is_the_most_that_fits(
        self, tokens: tuple[int, int, int], rows: int, pending: int
    ) -> None:
        clock = FakeClock()
        pace = paced(20, 0.01, dict(zip(AnswerKind, tokens, strict=True)), clock)
        budget = Budget(100.0, rows, pace, clock)
        allowed = budget.allowance(pending)
        affordable = 0.9 * budget.seconds_left * pace.rate / (rows + pending)

        def fits(kinds: frozenset[AnswerKind], text_tokens: float | None = None) -> bool:
            return pace.mean_work(kinds, text_tokens) <= affordable + 1e-9

        everything, bound = frozenset(AnswerKind), frozenset({AnswerKind.CHOICE, AnswerKind.CONSTRAINED})
        if fits(everything):
            assert allowed.kinds == everything
            assert (allowed.text_tokens or 10**9) > tokens[2]
        elif fits(everything, 8):
            assert allowed.kinds == everything
            assert allowed.text_tokens is not None
            assert fits(everything, allowed.text_tokens)
            assert not fits(everything, allowed.text_tokens + 1)
        else:
            assert allowed.kinds == (bound if fits(bound) else {AnswerKind.CHOICE})

    @pytest.mark.parametrize(
        ("tokens", "kinds"),
        [
            (0, set()),
            (1, {AnswerKind.CHOICE}),
            (15, {AnswerKind.CHOICE}),
            (16, set(AnswerKind)),
        ],
    )
    def test_what_is_asked_now_ends_in_time(self, tokens: int, kinds: set[AnswerKind]) -> None:
        """After the wait for the first token, so many more can be written."""
        clock = FakeClock()
        pace = Pace(clock)
        budget = Budget(100.0, 0, pace, clock)
        pace.probed(budget.seconds_left / (tokens + 1.5))
        assert budget.allowance(1) == Allowance(frozenset(kinds), tokens if kinds else None)

    def test_rows_whose_answer_is_stored_need_no_time(self) -> None:
        clock = FakeClock()
        pace = paced(40, 0.1, {AnswerKind.TEXT: 100}, clock)
        budget = Budget(100.0, 2000, pace, clock)

        def asked_of(rows: int) -> int:
            return int(0.9 * budget.seconds_left * 1000 / rows)

        assert budget.allowance(0).text_tokens == asked_of(2000) < 100
        budget.expect_stored(1000)
        assert budget.allowance(0).text_tokens == asked_of(1000) < 100
        for _ in range(100):
            budget.read(stored=True)
        assert budget.allowance(0).text_tokens == asked_of(1000)
        for _ in range(100):
            budget.read(stored=False)
        assert budget.allowance(0).text_tokens == asked_of(900)
        assert budget.allowance(150).text_tokens == asked_of(1050)
        for _ in range(1800):
            budget.read(stored=True)
        assert budget.allowance(1200).text_tokens == asked_of(1200)
        budget.expect_stored(5000)
        assert budget.allowance(1200).text_tokens == asked_of(1200)
        assert budget.allowance(0).kinds == frozenset(AnswerKind)
