"""Driving a `UserModel` as the organisers' evaluator does: by type, in its batches, labels hidden, time watched."""

import importlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, runtime_checkable

from app.errors import SetupError
from app.evaluate.predictions import Answered, from_prediction
from app.evaluate.schema import BatchTime
from app.predictor import Predictor, Prepared
from app.types import Message, Prediction, Question, Sample, TaskType

LARGEST_BATCH = 16
SECONDS_A_SAMPLE = 10.0
"""The competition stops a run whose batch takes longer than this times its size."""
SEED_VARIABLE = "AICROWD_RUN_SEED"


class UserModel(Protocol):
    """What a submission must offer."""

    def get_batch_size(self) -> int:
        """Questions a call, 1 to 16."""
        ...

    def batch_predict(self, batch: dict[str, list[str]], is_multiple_choice: bool) -> list[str]:
        """One answer for each prompt, in order."""
        ...


@runtime_checkable
class Explaining(Protocol):
    """A model of this project, which also says how the answers of its last batch came about."""

    predictor: Predictor
    predictions: list[Prediction]


@dataclass(frozen=True, slots=True)
class Driven:
    """Answers in the samples' order, and how long each batch took."""

    answers: list[Answered]
    batches: list[BatchTime]


def load_user_model(module: str, seed: int = 0) -> tuple[UserModel, float]:
    """`module.UserModel()`, seeded as the competition seeds it, and the seconds that took.

    Raises:
        SetupError: no such module, or it has no `UserModel`.
    """
    os.environ[SEED_VARIABLE] = str(seed)
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    started = time.monotonic()
    try:
        loaded = importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise SetupError(f"cannot import {module!r} ({error}): name a module such as models.user_config") from error
    if not hasattr(loaded, "UserModel"):
        raise SetupError(f"{module} has no 'UserModel': name the class so that the evaluator finds it")
    model: UserModel = loaded.UserModel()
    return model, time.monotonic() - started


def drive(model: UserModel, samples: Sequence[Sample], on_batch: Callable[[int], None] | None = None) -> Driven:
    """Ask every sample. As in the kit, task types come in alphabetical order, samples within one in file order.

    The model is told the prompts and whether they are multiple choice, nothing else. `on_batch` is called
    with the size of each batch done.

    Raises:
        SetupError: a batch size out of range, or answers that are not one text a prompt.
    """
    answers: dict[int, Answered] = {}
    times: list[BatchTime] = []
    for task_type, positions in _batches(model, samples):
        batch = [samples[position] for position in positions]
        started = time.perf_counter()
        texts = model.batch_predict(
            {"prompt": [sample.question.prompt for sample in batch]}, task_type is TaskType.MULTIPLE_CHOICE
        )
        seconds = time.perf_counter() - started
        _check(texts, len(batch), len(times))
        times.append(_timed(len(times), task_type, len(batch), seconds))
        told = _told(model, batch, texts, seconds / len(batch))
        answers.update(zip(positions, told, strict=True))
        if on_batch:
            on_batch(len(batch))
    return Driven([answers[position] for position in range(len(samples))], times)


def _batches(model: UserModel, samples: Sequence[Sample]) -> Iterator[tuple[TaskType, list[int]]]:
    for task_type in sorted(TaskType):
        positions = [position for position, sample in enumerate(samples) if sample.task_type is task_type]
        size = model.get_batch_size() if positions else 1
        if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= LARGEST_BATCH:
            raise SetupError(f"get_batch_size() returned {size!r}: it must be a whole number from 1 to 16")
        for start in range(0, len(positions), size):
            yield task_type, positions[start : start + size]


def _check(texts: object, size: int, batch: int) -> None:
    if not isinstance(texts, list) or len(texts) != size:
        given = f"{len(texts)} answers" if isinstance(texts, list) else f"a {type(texts).__name__}"
        raise SetupError(f"batch_predict returned {given} for the {size} prompts of batch {batch}: return a list")
    for text in texts:
        if not isinstance(text, str):
            raise SetupError(f"batch_predict returned a {type(text).__name__} in batch {batch}: answers are texts")


def _timed(index: int, task_type: TaskType, size: int, seconds: float) -> BatchTime:
    limit = SECONDS_A_SAMPLE * size
    return BatchTime(
        index=index,
        task_type=task_type,
        size=size,
        seconds=seconds,
        limit_seconds=limit,
        within_limit=seconds <= limit,
    )


def _told(model: UserModel, batch: Sequence[Sample], texts: Sequence[str], seconds: float) -> list[Answered]:
    """The answers that the evaluator got, with the model's own account of them where it gives one."""
    if not isinstance(model, Explaining) or len(model.predictions) != len(batch):
        pairs = zip(batch, texts, strict=True)
        return [Answered(sample.question.id, text, seconds=seconds) for sample, text in pairs]
    told = zip(batch, model.predictions, texts, strict=True)
    return [
        replace(
            from_prediction(prediction, sample.question.id, _rendered(model.predictor, sample.question)),
            answer=text,
        )
        for sample, prediction, text in told
    ]


def _rendered(predictor: Predictor, question: Question) -> tuple[Message, ...] | None:
    prepared = predictor.prepare(question, "0")
    return prepared.request.messages if isinstance(prepared, Prepared) else None
