import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app.errors import InputError, SetupError
from app.evaluation.answers import Answered, ask, drive, join, load_user_model, read_answers
from app.predictor import Predictor
from app.prompting import PromptLibrary
from app.rows import prediction_row
from app.types import Failure, GenerationRequest, Outcome, Prediction, Question, Sample, TaskType
from tests.scripted_engine import ScriptedEngine

PROMPTS = Path(__file__).parents[2] / "prompts"
METRICS = {
    TaskType.MULTIPLE_CHOICE: "accuracy",
    TaskType.GENERATION: "rougel",
    TaskType.RETRIEVAL: "hit rate@3",
}


def sample(number: int, task_type: TaskType) -> Sample:
    question = Question(f"q{number}", f"prompt {number}", task_type is TaskType.MULTIPLE_CHOICE)
    return Sample(question, "t", task_type, METRICS[task_type], "secret")


MIXED = [sample(n, list(METRICS)[n % 3]) for n in range(11)]


class Echo:
    """Answers with the prompt; remembers what it was asked."""

    def __init__(self, size: int = 2) -> None:
        self.size = size
        self.calls: list[tuple[dict[str, list[str]], bool]] = []

    def get_batch_size(self) -> int:
        return self.size

    def batch_predict(self, batch: dict[str, list[str]], is_multiple_choice: bool) -> list[str]:
        self.calls.append((batch, is_multiple_choice))
        return [f"answer to {prompt}" for prompt in batch["prompt"]]


class Faulty(Echo):
    """Returns what a test says."""

    def __init__(self, answer: Callable[[list[str]], object], size: object = 2) -> None:
        super().__init__()
        self.answer = answer
        self.size = size  # type: ignore[assignment]  # that is the fault

    def batch_predict(self, batch: dict[str, list[str]], is_multiple_choice: bool) -> list[str]:  # noqa: ARG002 - the competition's signature
        return self.answer(batch["prompt"])  # type: ignore[return-value]  # that is the fault


def test_asks_by_type_in_its_batches_with_labels_hidden() -> None:
    model = Echo()
    driven = drive(model, MIXED, {"module": "mine"})
    assert [answered.answer for answered in driven.answers if answered] == [f"answer to prompt {n}" for n in range(11)]
    assert all(set(batch) == {"prompt"} for batch, _ in model.calls)
    assert [(len(batch["prompt"]), choice) for batch, choice in model.calls] == [
        (2, False), (2, False),
        (2, True), (2, True),
        (2, False), (1, False),
    ]  # fmt: skip
    assert [batch.task_type for batch in driven.batches[::2]] == sorted(METRICS)
    assert "secret" not in str(model.calls)
    assert driven.provenance.settings == {"module": "mine", "batch_size": 2}
    assert (driven.provenance.model, driven.provenance.engine) == (__name__, None)


@pytest.mark.parametrize("size", [1, 16])
def test_every_allowed_batch_size(size: int) -> None:
    model = Echo(size)
    drive(model, MIXED)
    assert max(len(batch["prompt"]) for batch, _ in model.calls) == min(size, 4)


@pytest.mark.parametrize("size", [0, 17, -1, 2.0, "4", None, True])
def test_other_batch_sizes_are_refused(size: object) -> None:
    with pytest.raises(SetupError, match="1 to 16"):
        drive(Faulty(lambda prompts: prompts, size), MIXED)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda prompts: prompts[1:], "1 answers for the 2 prompts of batch 0"),
        (lambda prompts: [*prompts, ""], "3 answers"),
        (tuple, "a tuple"),
        (lambda _: None, "a NoneType"),
        (lambda prompts: [1 for _ in prompts], "a int in batch 0"),
    ],
)
def test_answers_that_are_not_one_text_a_prompt_are_refused(
    answer: Callable[[list[str]], object], message: str
) -> None:
    with pytest.raises(SetupError, match=message):
        drive(Faulty(answer), MIXED)


def test_the_limit_is_ten_seconds_a_sample_of_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("app.evaluation.answers.time.perf_counter", lambda: now[0])
    taking = {"prompt 0": 20.5, "prompt 6": 20.0}

    def slowly(prompts: list[str]) -> object:
        now[0] += taking.get(prompts[0], 1.0)
        return prompts

    batches = drive(Faulty(slowly), MIXED).batches
    assert [batch.limit_seconds for batch in batches] == [20, 20, 20, 20, 20, 10]
    choices = [batch for batch in batches if batch.task_type is TaskType.MULTIPLE_CHOICE]
    assert [(batch.seconds, batch.within_limit) for batch in choices] == [(20.5, False), (20.0, True)]
    assert all(batch.within_limit for batch in batches if batch.task_type is not TaskType.MULTIPLE_CHOICE)


def test_progress_is_told_batch_by_batch() -> None:
    sizes: list[int] = []
    drive(Echo(3), MIXED, advance=sizes.append)
    assert sizes == [3, 1, 3, 1, 3]


def test_our_own_model_tells_how_its_answers_came_about() -> None:
    def script(request: GenerationRequest) -> str:
        return "1" if request.constraint else "some text"

    class Ours(Echo):
        def __init__(self) -> None:
            super().__init__()
            self.predictor = Predictor(ScriptedEngine(script), PromptLibrary(PROMPTS))
            self.predictions: list[Prediction] = []

        def batch_predict(self, batch: dict[str, list[str]], is_multiple_choice: bool) -> list[str]:
            questions = [Question("", prompt, is_multiple_choice) for prompt in batch["prompt"]]
            self.predictions = self.predictor.predict(questions)
            return [prediction.answer or "" for prediction in self.predictions]

    driven = drive(Ours(), MIXED)
    first = driven.answers[0]
    assert first is not None
    assert (first.id, first.answer, first.outcome) == ("q0", "1", Outcome.UNSURE), "no options are listed"
    assert (first.task_type, first.raw) == (TaskType.MULTIPLE_CHOICE, "1")
    assert first.rendered is not None
    assert "prompt 0" in first.rendered[-1].content
    assert driven.provenance.engine == "scripted"
    assert driven.provenance.prompt_fingerprint == PromptLibrary(PROMPTS).fingerprint


def test_a_foreign_model_tells_only_answers_and_time() -> None:
    first = drive(Echo(), MIXED).answers[0]
    assert first is not None
    assert (first.outcome, first.task_type, first.rendered) == (None, None, None)
    assert first.seconds is not None


def test_loads_a_submission_seeded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("AICROWD_RUN_SEED", "before")
    (tmp_path / "my_submission.py").write_text(
        "import os\nclass UserModel:\n    def __init__(self):\n        self.seed = os.environ['AICROWD_RUN_SEED']\n"
    )
    (tmp_path / "my_empty.py").write_text("")
    assert getattr(load_user_model("my_submission", seed=7), "seed", None) == "7"
    assert os.environ["AICROWD_RUN_SEED"] == "7", "a submission may read it at any time"
    with pytest.raises(SetupError, match="has no 'UserModel'"):
        load_user_model("my_empty")
    with pytest.raises(SetupError, match="cannot import 'my_absent'"):
        load_user_model("my_absent")


def test_a_predictor_is_asked_as_fast_as_it_answers() -> None:
    done: list[int] = []
    predictor = Predictor(ScriptedEngine(lambda request: "0" if request.constraint else "text"), PromptLibrary(PROMPTS))
    asked = ask(predictor, MIXED, {"seed": 3}, done.append)
    assert [one.id for one in asked.answers if one] == [f"q{n}" for n in range(11)]
    first = asked.answers[0]
    assert first is not None
    assert (first.answer, first.task_type, first.outcome) == ("0", TaskType.MULTIPLE_CHOICE, Outcome.UNSURE)
    assert first.rendered is not None
    assert "prompt 0" in first.rendered[-1].content
    assert done == [1] * 11
    assert (asked.by, asked.batches, asked.provenance.settings) == ("model", [], {"seed": 3})
    assert asked.provenance.engine == "scripted"
    assert asked.predict_seconds is not None


def samples(*ids: str) -> list[Sample]:
    return [
        Sample(
            Question(one, f"Is {one} a lamp?\n0. no\n1. yes\nAnswer: ", True),
            "t",
            TaskType.MULTIPLE_CHOICE,
            "accuracy",
            1,
        )
        for one in ids
    ]


def written(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_reads_what_predict_writes(tmp_path: Path) -> None:
    good = Prediction("a", TaskType.MULTIPLE_CHOICE, "1", Outcome.CLEAN, "1", {"0": 0.25, "1": 0.75}, 0.5)
    bad = Prediction("b", None, None, Outcome.ERROR, error=Failure("no_text", "row 1 has no text"))
    path = written(tmp_path / "out.jsonl", prediction_row(good, "f00"), prediction_row(bad, "f00"))
    found = read_answers(path, samples("a", "b"))
    first, second = found.answers
    assert first is not None
    assert second is not None
    assert (first.id, first.answer, first.outcome, first.raw) == ("a", "1", Outcome.CLEAN, "1")
    assert (first.label_probs, first.label_mass, first.fingerprint) == ({"0": 0.25, "1": 0.75}, 0.5, "f00")
    assert (second.answer, second.outcome, second.error) == ("", Outcome.ERROR, "row 1 has no text")
    assert found.provenance.prompt_fingerprint == "f00"
    assert found.provenance.settings == {"predictions": "out.jsonl"}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({}, "no field 'answer'"),
        ({"answer": 3}, "'answer' is wrong: "),
        ({"answer": None}, "null only beside"),
        ({"answer": "1", "outcome": "fine"}, r"'outcome' is wrong: input should be 'clean', .* \(given: 'fine'\)"),
        ({"answer": "1", "task_type": []}, "'task_type' is wrong: "),
        ({"answer": "1", "label_probs": {"0": 2}}, "'label_probs' is wrong: "),
        ({"answer": "1", "label_probs": {"0": "x"}}, "'label_probs' is wrong: "),
        ({"answer": "1", "label_probs": {}}, "'label_probs' is wrong: "),
        ({"answer": "1", "seconds": "soon"}, "'seconds' is wrong: "),
        ({"answer": "1", "label_mass": True}, "'label_mass' is wrong: "),
        ({"answer": "1", "output_tokens": 1.5}, "'output_tokens' is wrong: "),
        ({"answer": "1", "id": 1.5}, "'id' is wrong: "),
        ({"answer": "1", "raw": 1}, "'raw' is wrong: "),
    ],
)
def test_malformed_predictions_name_line_and_field(tmp_path: Path, row: object, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_answers(written(tmp_path / "p.jsonl", {"answer": "1"}, row), samples("a", "b"))
    assert "p.jsonl, line 2" in str(caught.value)


def test_joins_on_ids_whatever_the_order() -> None:
    joined = join(samples("a", "b", "c"), [Answered("c", "C"), Answered("x", "X"), Answered("a", "A")])
    assert [one.answer if one else None for one in joined.answers] == ["A", None, "C"]
    assert (joined.by, joined.missing, joined.extra) == ("id", ["b"], ["x"])


def test_joins_by_order_where_no_row_has_an_id() -> None:
    joined = join(samples("a", "b"), [Answered(None, "A"), Answered(None, "B")])
    assert [one.answer for one in joined.answers if one] == ["A", "B"]
    assert (joined.by, joined.missing, joined.extra) == ("order", [], [])
    for answers in (["A"], ["A", "B", "C"]):
        with pytest.raises(InputError, match=r"predictions without an 'id' for 2 samples: .* give each"):
            join(samples("a", "b"), [Answered(None, answer) for answer in answers])


def test_refuses_what_cannot_be_joined() -> None:
    with pytest.raises(InputError, match="all or none"):
        join(samples("a", "b"), [Answered("a", "A"), Answered(None, "B")])
    with pytest.raises(InputError, match="'a' stands 2 times"):
        join(samples("a"), [Answered("a", "A"), Answered("a", "B")])
    with pytest.raises(InputError, match="answers to this file"):
        join(samples("a"), [Answered("z", "A")])


def test_prompts_are_rendered_again_only_where_they_are_the_same(tmp_path: Path) -> None:
    library = PromptLibrary(PROMPTS)
    row = {"answer": "1", "outcome": "clean", "task_type": "multiple-choice", "prompts": library.fingerprint}
    path = written(
        tmp_path / "p.jsonl",
        row | {"id": "a"}, row | {"id": "b", "prompts": "0123"}, row | {"id": "c", "outcome": "truncated"},
    )  # fmt: skip
    asked = samples("a", "b", "c", "d")
    found = read_answers(path, asked, library)
    first, *rest = found.answers
    assert first is not None
    assert first.rendered is not None
    assert "Is a a lamp?" in first.rendered[-1].content
    assert [one.rendered if one else "missing" for one in rest] == [None, None, "missing"]
    assert found.provenance.prompt_fingerprint is None, "two sets of prompts"
    assert not any(one.rendered for one in read_answers(path, asked).answers if one)
