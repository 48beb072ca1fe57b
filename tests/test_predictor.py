from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import count
from math import log
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engines.base import never
from app.errors import EngineError, SetupError
from app.predictor import TEMPLATE_ALLOWANCE, Predictor, Prepared
from app.prompting import PromptLibrary
from app.settings import ROOT
from app.types import Choice, Completion, Failure, GenerationRequest, Message, Outcome, Question, TaskType
from tests.scripted_engine import ScriptedEngine

PROMPTS = PromptLibrary(ROOT / "prompts")

CHOICE = Question("c", "Which one is a fruit?\n0. hammer\n1. pear\n2. sock\n3. lamp\nAnswer:", True)
RANKING = Question(
    "r",
    "Rank the products by relevance to the query 'tea'.\n1. pot\n2. cup\n3. leaf\n4. saw\n5. bag\n"
    "Output a permutation of 1 to 5, separated by commas.\nOutput:",
)
EXPLAIN = Question("g", "Instructions: Explain the product category.\nInput: Teapot\nOutput:")


def predictor(script: str = "", **settings: int) -> Predictor:
    return Predictor(ScriptedEngine(lambda _: script, **settings), PROMPTS)


def test_order_and_length_are_kept_whatever_order_the_engine_answers_in() -> None:
    questions = [Question(str(n), f"Explain the product category: item {n}") for n in range(23)]
    engine = ScriptedEngine(lambda request: request.messages[-1].content, room=5)
    predictions = Predictor(engine, PROMPTS).predict(questions)
    assert [prediction.id for prediction in predictions] == [question.id for question in questions]
    assert [prediction.answer for prediction in predictions] == [question.prompt for question in questions]


def test_an_adapter_answers_the_types_that_it_is_set_for() -> None:
    engine = ScriptedEngine(lambda request: request.adapter or "base")
    predictions = Predictor(engine, PROMPTS, {TaskType.GENERATION: "writer"}).predict([EXPLAIN, CHOICE])
    assert [prediction.raw for prediction in predictions] == ["writer", "base"]


def test_equal_ids_do_not_get_in_each_others_way() -> None:
    same = [Question("same", f"Explain the product category: {n}") for n in range(3)]
    engine = ScriptedEngine(lambda request: request.messages[-1].content)
    assert [p.answer for p in Predictor(engine, PROMPTS).predict(same)] == [q.prompt for q in same]


def test_questions_are_pulled_as_the_engine_has_room() -> None:
    engine = ScriptedEngine(lambda _: "text", room=4)
    endless = ((n, EXPLAIN) for n in count())
    stream = Predictor(engine, PROMPTS).stream(endless)
    for _ in range(6):
        next(stream)
    assert engine.pulled == 8


def test_the_types_go_down_in_one_call() -> None:
    engine = ScriptedEngine(lambda _: "")
    predictions = Predictor(engine, PROMPTS).predict([CHOICE, RANKING, EXPLAIN])
    assert [p.task_type for p in predictions] == [TaskType.MULTIPLE_CHOICE, TaskType.RANKING, TaskType.GENERATION]
    assert engine.pulled == 3


def test_what_cannot_be_read_is_a_legal_fallback() -> None:
    choice, ranking, text = predictor("").predict([CHOICE, RANKING, EXPLAIN])
    assert {choice.outcome, ranking.outcome, text.outcome} == {Outcome.FALLBACK}
    assert choice.answer in {"0", "1", "2", "3"}
    assert sorted((ranking.answer or "").split(",")) == ["1", "2", "3", "4", "5"]
    assert text.answer


def test_a_prompt_over_the_context_is_cut_in_its_long_field_and_says_so() -> None:
    review = "It pours well and keeps the tea hot. " * 400
    question = Question(
        "long",
        f"Extract the keyphrase of the review that mentions the aspect.\nReview: {review}\nAspect: pouring\nOutput:",
    )
    engine = ScriptedEngine(lambda _: "It pours well", context_length=1500)
    (prediction,) = Predictor(engine, PROMPTS).predict([question])
    (request,) = engine.asked
    asked = request.messages[-1].content
    assert prediction.outcome is Outcome.TRUNCATED
    assert engine.count_tokens(request.messages) + request.sampling.max_tokens <= 1500
    assert asked.startswith("Extract the keyphrase of the review that mentions the aspect.")
    assert "Aspect: pouring\nOutput:" in asked


def test_a_prompt_of_few_tokens_is_not_cut_however_many_bytes_it_has() -> None:
    class Dense(ScriptedEngine):
        def count_tokens(self, messages: Sequence[Message], tools: str = "") -> int:
            return super().count_tokens(messages, tools) // 100

    question = Question("q", f"Explain the review.\nReview: {'It pours well. ' * 400}\nOutput:")
    (prediction,) = Predictor(Dense(lambda _: "Good.", context_length=1500), PROMPTS).predict([question])
    assert (prediction.outcome, prediction.answer) == (Outcome.CLEAN, "Good.")


def test_a_fallback_after_a_cut_is_still_a_fallback() -> None:
    question = Question("q", f"Explain the review.\nReview: {'It pours well. ' * 4_000}\nOutput:")
    outcomes = [predictor(said, context_length=1500).predict([question])[0].outcome for said in ("Good.", "")]
    assert outcomes == [Outcome.TRUNCATED, Outcome.FALLBACK]


def test_a_prompt_that_is_surely_short_is_not_counted() -> None:
    class Counted(ScriptedEngine):
        counts = 0

        def count_tokens(self, messages: Sequence[Message], tools: str = "") -> int:
            self.counts += 1
            return super().count_tokens(messages, tools)

    def prepared(context_length: int) -> tuple[int, int]:
        """How often tokens were counted, and the bytes of the conversation."""
        engine = Counted(lambda _: "1", context_length=context_length)
        found = Predictor(engine, PROMPTS).prepare(CHOICE, "0")
        assert isinstance(found, Prepared)
        return engine.counts, sum(len(message.content.encode()) for message in found.request.messages)

    counts, size = prepared(4096)
    assert counts == 0
    # Room for one token of output, and for what a chat template adds.
    assert prepared(size + TEMPLATE_ALLOWANCE + 1) == (0, size)
    assert prepared(size + TEMPLATE_ALLOWANCE) == (1, size)


def test_answers_that_need_no_engine_come_among_the_others_and_after_them() -> None:
    long = Question("long", "Select three.\n" + "\n".join(f"{number}. cup" for number in range(1, 400)))
    found = predictor("1", context_length=1500).predict([long, CHOICE, long])
    assert [one.error and one.error.code for one in found] == ["too_long", None, "too_long"]
    keys = [key for key, _ in predictor("1", context_length=1500).stream([(7, long), (3, CHOICE), (5, long)])]
    assert sorted(keys) == [3, 5, 7]


def test_an_instruction_that_cannot_fit_still_gets_a_legal_answer() -> None:
    (prediction,) = predictor("1", context_length=20).predict([CHOICE])
    assert prediction.outcome is Outcome.FALLBACK
    assert prediction.answer in {"0", "1", "2", "3"}
    assert prediction.error is not None
    assert prediction.error.code == "too_long"


def test_a_refused_request_gets_the_fallback_and_its_reason() -> None:
    class Refusing(ScriptedEngine):
        def generate(
            self, requests: Iterable[GenerationRequest | None], give_up: Callable[[], bool] = never
        ) -> Iterator[Completion]:
            for completion in super().generate(requests, give_up):
                error = Failure("unknown_adapter", "no adapter 'x'")
                yield replace(completion, text="", finish_reason="error", error=error)

    (prediction,) = Predictor(Refusing(lambda _: "1"), PROMPTS).predict([CHOICE])
    assert prediction.outcome is Outcome.FALLBACK
    assert prediction.answer in {"0", "1", "2", "3"}
    assert prediction.error == Failure("unknown_adapter", "no adapter 'x'")


def test_label_probabilities_are_normalised_and_their_mass_is_kept() -> None:
    class WithProbabilities(ScriptedEngine):
        def generate(
            self, requests: Iterable[GenerationRequest | None], give_up: Callable[[], bool] = never
        ) -> Iterator[Completion]:
            for completion in super().generate(requests, give_up):
                yield replace(completion, label_logprobs={"0": log(0.1), "1": log(0.3), "2": log(0.05), "3": log(0.05)})

    (prediction,) = Predictor(WithProbabilities(lambda _: "1"), PROMPTS).predict([CHOICE])
    assert prediction.label_probs == pytest.approx({"0": 0.2, "1": 0.6, "2": 0.1, "3": 0.1})
    assert prediction.label_mass == pytest.approx(0.5)


LISTED = "Which one is a fruit?\n0. hammer\n1. pear\nAnswer:"


@pytest.mark.parametrize(
    ("question", "outcome"),
    [
        (Question("q", LISTED, True), Outcome.CLEAN),
        (Question("q", LISTED), Outcome.CLEAN),
        (Question("q", LISTED, False), Outcome.UNSURE),
        (Question("q", LISTED.replace("0.", "A.").replace("1.", "B."), True), Outcome.CLEAN),
        (Question("q", "Which one is a fruit?", True), Outcome.UNSURE),
        (Question("q", "Which one is a fruit?", False), Outcome.CLEAN),
        (Question("q", "Which one is a fruit?"), Outcome.CLEAN),
    ],
)
def test_what_an_answer_is_between_must_be_listed_and_be_asked_for(question: Question, outcome: Outcome) -> None:
    def says(request: GenerationRequest) -> str:
        return request.constraint.labels[-1] if isinstance(request.constraint, Choice) else "1"

    (prediction,) = Predictor(ScriptedEngine(says), PROMPTS).predict([question])
    assert prediction.outcome is outcome


@pytest.mark.parametrize(
    ("share", "outcome"), [(0.3, Outcome.CLEAN), (0.006, Outcome.CLEAN), (0.004, Outcome.UNSURE), (0.0, Outcome.UNSURE)]
)
def test_a_model_that_meant_no_label_is_unsure_and_what_was_not_measured_is_not(share: float, outcome: Outcome) -> None:
    class Measured(ScriptedEngine):
        def generate(
            self, requests: Iterable[GenerationRequest | None], give_up: Callable[[], bool] = never
        ) -> Iterator[Completion]:
            for completion in super().generate(requests, give_up):
                yield replace(completion, label_logprobs={"0": log(share or 1e-30), "1": log(share or 1e-30)})

    (measured,) = Predictor(Measured(lambda _: "1"), PROMPTS).predict([Question("q", LISTED, True)])
    assert measured.outcome is outcome
    (unknown,) = Predictor(ScriptedEngine(lambda _: "1"), PROMPTS).predict([Question("q", LISTED, True)])
    assert (unknown.label_mass, unknown.outcome) == (None, Outcome.CLEAN)


def test_templates_are_checked_before_the_first_question(tmp_path: Path) -> None:
    for task_type in TaskType:
        (tmp_path / task_type).mkdir()
        (tmp_path / task_type / "user.j2").write_text("{{ question }} {{ mood }}")
    with pytest.raises(SetupError, match="unknown variable 'mood'"):
        Predictor(ScriptedEngine(lambda _: ""), PromptLibrary(tmp_path))


@given(prompt=st.text(), multiple_choice=st.booleans(), said=st.text())
def test_every_question_gets_a_readable_answer(prompt: str, multiple_choice: bool, said: str) -> None:
    question = Question("q", prompt, multiple_choice)
    (prediction,) = predictor(said).predict([question])
    assert prediction.answer
    assert prediction.answer.strip()


def test_an_engine_fault_is_not_swallowed() -> None:
    def fail(request: GenerationRequest) -> str:
        raise EngineError(f"lost the device while answering {request.id}")

    with pytest.raises(EngineError, match="lost the device"):
        Predictor(ScriptedEngine(fail), PROMPTS).predict([EXPLAIN])
