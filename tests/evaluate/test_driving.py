import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from app.errors import SetupError
from app.evaluate import driving
from app.evaluate.driving import drive, load_user_model
from app.predictor import Predictor
from app.prompting import PromptLibrary
from app.types import GenerationRequest, Outcome, Prediction, Question, Sample, TaskType
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
    driven = drive(model, MIXED)
    assert [answered.answer for answered in driven.answers] == [f"answer to prompt {n}" for n in range(11)]
    assert all(set(batch) == {"prompt"} for batch, _ in model.calls)
    assert [(len(batch["prompt"]), choice) for batch, choice in model.calls] == [
        (2, False), (2, False),
        (2, True), (2, True),
        (2, False), (1, False),
    ]  # fmt: skip
    assert [batch.task_type for batch in driven.batches[::2]] == sorted(METRICS)
    assert "secret" not in str(model.calls)


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
    monkeypatch.setattr(driving, "SECONDS_A_SAMPLE", 0.02)

    def slow_once(prompts: list[str]) -> object:
        time.sleep(0.1 if "prompt 0" in prompts else 0)
        return prompts

    batches = drive(Faulty(slow_once), MIXED).batches
    slow = [batch for batch in batches if not batch.within_limit]
    assert len(slow) == 1
    assert slow[0].seconds >= 0.1
    assert slow[0].limit_seconds == pytest.approx(0.04)
    assert (slow[0].task_type, slow[0].size) == (TaskType.MULTIPLE_CHOICE, 2)


def test_progress_is_told_batch_by_batch() -> None:
    sizes: list[int] = []
    drive(Echo(3), MIXED, sizes.append)
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

    first = drive(Ours(), MIXED).answers[0]
    assert (first.id, first.answer, first.outcome) == ("q0", "1", Outcome.CLEAN)
    assert (first.task_type, first.raw) == (TaskType.MULTIPLE_CHOICE, "1")
    assert first.rendered is not None
    assert "prompt 0" in first.rendered[-1].content


def test_a_foreign_model_tells_only_answers_and_time() -> None:
    first = drive(Echo(), MIXED).answers[0]
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
    model, seconds = load_user_model("my_submission", seed=7)
    assert getattr(model, "seed", None) == "7"
    assert seconds >= 0
    assert os.environ["AICROWD_RUN_SEED"] == "7"
    with pytest.raises(SetupError, match="has no 'UserModel'"):
        load_user_model("my_empty")
    with pytest.raises(SetupError, match="cannot import 'my_absent'"):
        load_user_model("my_absent")
