"""Forms in which questions are asked: by labels, in several orders and without their prior, or by options' texts."""

import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engines.base import never
from app.errors import SetupError
from app.forms import CONTENT_FREE, Asking, forms_of, own_forms, told, write_forms
from app.predictor import Predictor
from app.prompting import PromptLibrary
from app.settings import ROOT, Form, load_settings
from app.tasks.registry import task_of
from app.types import (
    Choice,
    Completion,
    GenerationRequest,
    Message,
    Outcome,
    Prediction,
    Question,
    SamplingParams,
    TaskType,
    Texts,
)
from tests.scripted_engine import ScriptedEngine

PROMPTS = PromptLibrary(ROOT / "prompts")
CHOICE = "Which lamp is for a desk?\n0. floor lamp\n1. desk   lamp\n2. torch\nAnswer:"
PICK = (
    "Query: lamp\nPick two products. Give their numbers.\n1. floor lamp\n2. a chair\n3. desk lamp\n4. a table\nOutput:"
)
ORDER = "Rank the products for the query 'lamp'.\n1. chair\n2. desk lamp\n3. lamp shade\nRanking:"


def asking(prompt: str, kind: TaskType, form: Form) -> Asking:
    task = task_of(kind)
    reading = task.read(Question("q", prompt, is_multiple_choice=kind is TaskType.MULTIPLE_CHOICE))
    return Asking(task, reading, form, PROMPTS)


def completion(logprobs: dict[str, float], *variants: dict[str, float]) -> Completion:
    return Completion("q", max(logprobs, key=logprobs.__getitem__), "stop", 1, 1, logprobs, variants=variants)


def last(messages: tuple[Message, ...]) -> str:
    return messages[-1].content


def test_texts_are_asked_without_the_list_and_without_content() -> None:
    asked = asking(CHOICE, TaskType.MULTIPLE_CHOICE, Form(ask="texts", prior=0.8))
    assert asked.text == "Which lamp is for a desk?\nAnswer:"
    assert asked.constraint == Texts(("floor lamp", "desk lamp", "torch"))
    assert last(asked.messages(asked.text)) == asked.text
    assert [last(variant) for variant in asked.variants()] == [CONTENT_FREE]
    assert asking(CHOICE, TaskType.MULTIPLE_CHOICE, Form(ask="texts")).variants() == ()


def test_a_texts_prior_is_what_it_is_worth_anyway() -> None:
    logprobs = {"floor lamp": -4.0, "desk lamp": -5.0, "torch": -9.0}
    free = {"floor lamp": -4.0, "desk lamp": -8.0, "torch": -9.5}
    found = {}
    for prior in (0.0, 0.5, 1.0):
        asked = asking(CHOICE, TaskType.MULTIPLE_CHOICE, Form(ask="texts", prior=prior))
        answer, shares, mass = asked.decide(completion(logprobs, *([free] if prior else [])))
        assert answer.outcome is Outcome.CLEAN
        assert shares is not None
        assert sum(shares.values()) == pytest.approx(1)
        assert mass is None
        found[prior] = answer.text, math.log(shares["1"] / shares["0"])
    assert [found[prior][0] for prior in (0.0, 0.5, 1.0)] == ["0", "1", "1"]
    assert [found[prior][1] for prior in (0.0, 0.5, 1.0)] == pytest.approx([-1.0, 1.0, 3.0])


@pytest.mark.parametrize(
    ("prompt", "kind", "scores", "expected"),
    [
        (PICK, TaskType.RETRIEVAL, (-3.0, -9.0, -2.0, -8.0), "3,1"),
        (ORDER, TaskType.RANKING, (-9.0, -2.0, -3.0), "2,3,1"),
    ],
)
def test_lists_are_put_in_order_by_their_texts(
    prompt: str, kind: TaskType, scores: tuple[float, ...], expected: str
) -> None:
    asked = asking(prompt, kind, Form(ask="texts"))
    assert asked.options is not None
    answer, shares, _ = asked.decide(completion(dict(zip(asked.options.texts, scores, strict=True))))
    assert (answer.text, answer.outcome, shares) == (expected, Outcome.CLEAN, None)


def test_questions_that_list_nothing_are_asked_for_labels() -> None:
    asked = asking("Rate this review from 1 to 5: 'Lovely lamp.'", TaskType.MULTIPLE_CHOICE, Form(ask="texts", prior=1))
    assert asked.options is None
    assert asked.constraint == Choice(("1", "2", "3", "4", "5"))
    assert asked.variants() == ()


@given(st.integers(2, 9), st.integers(1, 10), st.data())
def test_orders_undo_any_bias_towards_a_place(size: int, orders: int, data: st.DataObject) -> None:
    prompt = "Which one?\n" + "\n".join(f"{number}. option {number}" for number in range(size))
    worth = data.draw(st.permutations(range(size)))
    bias = data.draw(st.lists(st.integers(-9, 9), min_size=size, max_size=size))
    asked = asking(prompt, TaskType.MULTIPLE_CHOICE, Form(orders=orders))
    variants = asked.variants()
    assert len(variants) == min(orders, size) - 1
    told_by_model = []
    for messages in (asked.messages(prompt), *variants):
        lines = last(messages).split("\n")[1:]
        texts = [int(line.split()[-1]) for line in lines]
        assert sorted(texts) == list(range(size))
        told_by_model.append({str(place): float(worth[text] + bias[place]) for place, text in enumerate(texts)})
    answer, shares, _ = asked.decide(completion(*told_by_model))
    assert shares is not None
    if orders >= size:
        assert answer.text == str(worth.index(size - 1))


def test_a_labels_prior_is_taken_from_the_list_without_content() -> None:
    asked = asking(CHOICE, TaskType.MULTIPLE_CHOICE, Form(prior=1.0))
    (free,) = asked.variants()
    assert last(free) == "N/A\n0. N/A\n1. N/A\n2. N/A\nAnswer:"
    answer, _, mass = asked.decide(completion({"0": -1.0, "1": -1.5, "2": -3.0}, {"0": -0.5, "1": -2.0, "2": -2.5}))
    assert answer.text == "1"
    assert mass == pytest.approx(math.exp(-1) + math.exp(-1.5) + math.exp(-3))


@pytest.mark.parametrize(
    ("kind", "prompt", "gold", "target", "expected"),
    [
        (TaskType.MULTIPLE_CHOICE, CHOICE, 1, "1", ("desk lamp",)),
        (TaskType.RETRIEVAL, PICK, [1, 3], "1,3", ("floor lamp", "desk lamp")),
        (TaskType.RANKING, ORDER, [0, 1, 1], "2,3,1", ("desk lamp", "lamp shade")),
        (TaskType.RANKING, ORDER, [2, 3, 1], "2,3,1", ("desk lamp",)),
        (TaskType.GENERATION, "Name a lamp.", "torch", "torch", ("torch",)),
    ],
)
def test_right_options_are_what_is_learnt(
    kind: TaskType, prompt: str, gold: object, target: str, expected: tuple[str, ...]
) -> None:
    assert asking(prompt, kind, Form(ask="texts")).targets(gold, target) == expected
    assert asking(prompt, kind, Form()).targets(gold, target) == (target,)


def test_a_checkpoint_says_its_forms_and_settings_win(tmp_path: Path) -> None:
    write_forms(tmp_path, {TaskType.RANKING: Form(ask="texts", prior=0.5), TaskType.RETRIEVAL: Form(ask="texts")})
    assert own_forms(tmp_path)[TaskType.RANKING] == Form(ask="texts", prior=0.5)
    settings = load_settings(None, {"model": str(tmp_path), "forms": {"ranking": {"orders": 2}}})
    assert forms_of(settings) == {TaskType.RANKING: Form(orders=2), TaskType.RETRIEVAL: Form(ask="texts")}
    assert told(forms_of(settings)) == "ranking: labels, prior 0.0, orders 2; retrieval: texts, prior 0.0, orders 1"
    assert told({}) == "labels"
    (tmp_path / "shopbench.json").write_text('{"forms": {"ranking": {"ask": "text"}}}')
    with pytest.raises(SetupError, match=r"shopbench.json.*'texts'"):
        own_forms(tmp_path)


def test_an_adapter_is_asked_in_the_forms_that_it_was_trained_in(tmp_path: Path) -> None:
    write_forms(
        tmp_path / "base", {kind: Form(ask="texts", prior=0.5) for kind in (TaskType.RANKING, TaskType.RETRIEVAL)}
    )
    write_forms(
        tmp_path / "trained", {TaskType.MULTIPLE_CHOICE: Form(ask="texts"), TaskType.RANKING: Form(ask="texts")}
    )
    (tmp_path / "plain").mkdir()
    given = {
        "model": str(tmp_path / "base"),
        "engine_settings": {"adapters": {name: str(tmp_path / name) for name in ("trained", "plain")}},
        "task_adapters": {"multiple-choice": "trained", "ranking": "plain"},
    }
    expected = {TaskType.MULTIPLE_CHOICE: Form(ask="texts"), TaskType.RETRIEVAL: Form(ask="texts", prior=0.5)}
    assert forms_of(load_settings(None, given)) == expected
    settings = load_settings(None, given | {"forms": {"ranking": {"ask": "texts"}}})
    assert forms_of(settings) == expected | {TaskType.RANKING: Form(ask="texts")}


def test_a_predictor_asks_and_answers_in_its_forms() -> None:
    class Judge(ScriptedEngine):
        def generate(
            self, requests: Iterable[GenerationRequest | None], give_up: Callable[[], bool] = never
        ) -> Iterator[Completion]:
            del give_up
            for request in requests:
                assert request is not None
                assert isinstance(request.constraint, Texts)
                self.asked.append(request)
                logprobs = {text: -float(len(text)) for text in request.constraint.texts}
                yield Completion(request.id, "", "stop", 1, 0, logprobs, variants=(logprobs,))

    engine = Judge(lambda _: "")
    predictor = Predictor(engine, PROMPTS, forms={TaskType.MULTIPLE_CHOICE: Form(ask="texts", prior=0.5)})
    (found,) = predictor.predict([Question("q", CHOICE, is_multiple_choice=True)])
    assert (found.answer, found.outcome, found.error) == ("2", Outcome.CLEAN, None)
    (request,) = engine.asked
    assert request.constraint == Texts(("floor lamp", "desk lamp", "torch"))
    assert request.sampling == SamplingParams(max_tokens=1)
    long = Question("q", CHOICE.replace("desk?", "desk? " + "It is dark. " * 900), is_multiple_choice=True)
    prepared = predictor.prepare(long, "0")
    assert not isinstance(prepared, Prediction)
    assert prepared.truncated
    assert prepared.request.variants
