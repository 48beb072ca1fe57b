"""What became of one row."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from app.jsonl import Row, rounded
from app.types import Failure, Outcome, Prediction, TaskType


class Origin(StrEnum):
    """Where the answer to a row came from."""

    ASKED = "asked"
    """The model was asked in this run."""
    RESUMED = "resumed"
    """The journal of an earlier run had it."""
    REPEATED = "repeated"
    """Another row of this run asked the same."""
    UNASKED = "unasked"
    """No model was asked: the row held no question, its prompt could not fit, or time ran out."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What an answer cost, in tokens, and why it ended ("stop", "length" or "error")."""

    prompt_tokens: int
    output_tokens: int
    finish_reason: str


@dataclass(frozen=True, slots=True)
class Result:
    """One row with its answer. `usage` is None where no model was asked."""

    row: Row
    prediction: Prediction
    origin: Origin
    usage: Usage | None = None


def stored(prediction: Prediction, usage: Usage | None) -> dict[str, Any]:
    """An answer as a JSON object, without the identity of the row that asked and without times."""
    prediction = rounded(prediction)
    failure = prediction.error
    return {
        "task_type": prediction.task_type,
        "answer": prediction.answer,
        "outcome": prediction.outcome,
        "raw": prediction.raw if prediction.raw != prediction.answer else None,
        "label_probs": dict(prediction.label_probs) if prediction.label_probs is not None else None,
        "label_mass": prediction.label_mass,
        "usage": [usage.prompt_tokens, usage.output_tokens, usage.finish_reason] if usage else None,
    } | ({"error": [failure.code, failure.message]} if failure else {})


def restored(data: dict[str, Any], row: Row, origin: Origin) -> Result:
    """The inverse of `stored`, for the row that asks now.

    Raises:
        KeyError, TypeError, ValueError: `data` is not what `stored` gave.
    """
    task_type = data["task_type"]
    prediction = Prediction(
        row.id,
        TaskType(task_type) if task_type is not None else None,
        data["answer"],
        Outcome(data["outcome"]),
        raw=data["answer"] if data["raw"] is None else data["raw"],
        label_probs=data["label_probs"],
        label_mass=data["label_mass"],
        error=Failure(*data["error"]) if "error" in data else None,
    )
    return Result(row, prediction, origin, Usage(*data["usage"]) if data["usage"] else None)


def for_row(result: Result, row: Row, origin: Origin) -> Result:
    """The same answer for another row."""
    return replace(result, row=row, origin=origin, prediction=replace(result.prediction, id=row.id))


def unanswerable(row: Row) -> Result:
    """The result of a row that holds no question."""
    prediction = Prediction(row.id, None, None, Outcome.ERROR, error=row.failure)
    return Result(row, prediction, Origin.UNASKED)
