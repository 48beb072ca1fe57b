"""Answers to score: read from a file, and joined with the samples that they answer."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from app.errors import InputError
from app.evaluate.datasets.rows import FileRow, read_file_rows
from app.prompting import PromptLibrary
from app.tasks.registry import task_of
from app.types import Message, Outcome, Prediction, Question, Sample, TaskType

_Enum = TypeVar("_Enum", Outcome, TaskType)


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer and what is known of how it came about. `id` is None where the file names none."""

    id: str | None
    answer: str
    outcome: Outcome | None = None
    task_type: TaskType | None = None
    raw: str | None = None
    label_probs: Mapping[str, float] | None = None
    label_mass: float | None = None
    seconds: float | None = None
    output_tokens: int | None = None
    error: str | None = None
    fingerprint: str | None = None
    rendered: tuple[Message, ...] | None = None


@dataclass(frozen=True, slots=True)
class Joined:
    """One entry a sample, in the samples' order; None where there is no answer."""

    by: Literal["id", "order", "model"]
    answers: list[Answered | None]
    missing: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)


def read_predictions(path: Path) -> list[Answered]:
    """The rows that `shopbench predict` writes; `answer` alone is required, and may be null beside an `error`.

    Raises:
        InputError: the file cannot be read, or a row is malformed; the message names line and field.
    """
    return [_answered(row) for row in read_file_rows(path)]


def from_prediction(prediction: Prediction, sample_id: str, rendered: tuple[Message, ...] | None) -> Answered:
    """What a predictor in this process said of one sample."""
    return Answered(
        id=sample_id,
        answer=prediction.answer or "",
        outcome=prediction.outcome,
        task_type=prediction.task_type,
        raw=prediction.raw,
        label_probs=prediction.label_probs,
        label_mass=prediction.label_mass,
        seconds=prediction.seconds,
        error=prediction.error.message if prediction.error else None,
        rendered=rendered,
    )


def join(samples: Sequence[Sample], predictions: Sequence[Answered]) -> Joined:
    """Pair by id where every prediction has one, else by order.

    Raises:
        InputError: ids on some rows only, an id twice, or no id that any sample has.
    """
    named = sum(prediction.id is not None for prediction in predictions)
    if named == 0:
        return _by_order(samples, predictions)
    if named < len(predictions):
        raise InputError(f"{len(predictions) - named} predictions have no 'id' and {named} have: give all or none")
    return _by_id(samples, predictions)


def _by_order(samples: Sequence[Sample], predictions: Sequence[Answered]) -> Joined:
    short = len(samples) - len(predictions)
    return Joined(
        "order",
        [*predictions[: len(samples)], *[None] * max(0, short)],
        [sample.question.id for sample in samples[len(predictions) :]],
        [f"row {number}" for number in range(len(samples), len(predictions))],
    )


def _by_id(samples: Sequence[Sample], predictions: Sequence[Answered]) -> Joined:
    by_id = {str(prediction.id): prediction for prediction in predictions}
    if len(by_id) < len(predictions):
        identity, count = Counter(prediction.id for prediction in predictions).most_common(1)[0]
        raise InputError(f"the id {identity!r} stands {count} times in the predictions: keep one row for each id")
    wanted = {sample.question.id for sample in samples}
    if not wanted & by_id.keys():
        raise InputError(
            f"no prediction has the id of a sample (such as {samples[0].question.id!r}; the predictions say "
            f"{predictions[0].id!r}): are they answers to this file?"
        )
    return Joined(
        "id",
        [by_id.get(sample.question.id) for sample in samples],
        [sample.question.id for sample in samples if sample.question.id not in by_id],
        [identity for identity in by_id if identity not in wanted],
    )


def _answered(row: FileRow) -> Answered:
    outcome = _member(row, "outcome", Outcome)
    answer = _answer(row)
    raw = _optional(row, "raw", str)
    return Answered(
        id=_id(row),
        answer=answer,
        outcome=outcome,
        task_type=_member(row, "task_type", TaskType),
        raw=answer if raw is None and outcome is Outcome.CLEAN else raw,
        label_probs=_label_probs(row),
        label_mass=_number(row, "label_mass"),
        seconds=_number(row, "seconds"),
        output_tokens=_optional(row, "output_tokens", int),
        error=_error(row.fields.get("error")),
        fingerprint=_optional(row, "prompts", str),
    )


def _id(row: FileRow) -> str | None:
    given = row.fields.get("id")
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, str | int):
        raise row.refuse("id", "must be a text or a whole number")
    return str(given)


def _answer(row: FileRow) -> str:
    _, answer = row.value("answer")
    if answer is None and row.fields.get("error") is not None:
        return ""
    if not isinstance(answer, str):
        raise row.refuse("answer", "must be a text (null only beside an 'error')")
    return answer


def _member(row: FileRow, name: str, kind: type[_Enum]) -> _Enum | None:
    given = row.fields.get(name)
    if given is None:
        return None
    if given not in list(kind):
        raise row.refuse(name, f"unknown value {given!r}; known: {', '.join(kind)}")
    return kind(given)


def _optional(row: FileRow, name: str, kind: type[Any]) -> Any:  # noqa: ANN401 - the caller names the type
    given = row.fields.get(name)
    if given is not None and (isinstance(given, bool) or not isinstance(given, kind)):
        raise row.refuse(name, f"must be {'a text' if kind is str else 'a whole number'}")
    return given


def _number(row: FileRow, name: str) -> float | None:
    given = row.fields.get(name)
    if given is not None and (isinstance(given, bool) or not isinstance(given, int | float)):
        raise row.refuse(name, "must be a number")
    return given


def _label_probs(row: FileRow) -> dict[str, float] | None:
    given = row.fields.get("label_probs")
    if given is None:
        return None
    numbers = given.values() if isinstance(given, dict) else ()
    if not numbers or not all(isinstance(value, int | float) and 0 <= value <= 1 for value in numbers):
        raise row.refuse("label_probs", "must map each label to a probability from 0 to 1")
    return {str(label): float(value) for label, value in given.items()}


def _error(given: object) -> str | None:
    if isinstance(given, dict):
        return str(given.get("message", given))
    return None if given is None else str(given)


def with_prompts(joined: Joined, samples: Sequence[Sample], prompts: PromptLibrary) -> Joined:
    """Add to each answer the conversation that asked for it, where it was asked with these very prompts.

    An answer from other prompts, or whose prompt was cut to fit a context, stays without.
    """
    pairs = zip(joined.answers, samples, strict=True)
    return replace(joined, answers=[_with_prompt(answered, sample, prompts) for answered, sample in pairs])


def _with_prompt(answered: Answered | None, sample: Sample, prompts: PromptLibrary) -> Answered | None:
    if answered is None or answered.task_type is None or answered.rendered is not None:
        return answered
    if answered.fingerprint != prompts.fingerprint or answered.outcome is Outcome.TRUNCATED:
        return answered
    return replace(answered, rendered=_render(answered, sample.question, prompts))


def _render(answered: Answered, question: Question, prompts: PromptLibrary) -> tuple[Message, ...] | None:
    if answered.task_type is None:
        return None
    variables = task_of(answered.task_type).read(question).variables
    return prompts.render(answered.task_type, {"question": question.prompt.strip(), **variables})
