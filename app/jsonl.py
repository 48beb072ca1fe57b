"""JSON lines in and out: questions read one at a time, bad lines kept as what is wrong with them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonlines

from app.errors import InputError
from app.types import Failure, Prediction, Question


@dataclass(frozen=True, slots=True)
class Row:
    """One line of input: a question, or why it is none. `number` counts rows from 0."""

    number: int
    id: str
    question: Question | None = None
    failure: Failure | None = None


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a file in the kit's format (`input_field`) or ours (`id`, `prompt`). Blank lines do not count.

    A row without an id is known by its number, counted from 0.

    Raises:
        InputError: the file cannot be opened, or holds no row at all.
    """
    try:
        with path.open("rb") as file:
            empty = True
            for row in _rows(file):
                empty = False
                yield row
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    if empty:
        raise InputError(f"{path} is empty: give one JSON object a line, with 'prompt' and 'is_multiple_choice'")


def prediction_row(prediction: Prediction, fingerprint: str) -> dict[str, Any]:
    """A prediction as an output row: what is not known is left out, but `task_type` and `answer` always stand."""
    row: dict[str, Any] = {
        "id": prediction.id,
        "task_type": prediction.task_type,
        "answer": prediction.answer,
        "outcome": prediction.outcome,
        "prompts": fingerprint,
    }
    if prediction.label_probs is not None:
        row["label_probs"] = {label: round(p, 6) for label, p in prediction.label_probs.items()}
        row["label_mass"] = round(prediction.label_mass or 0.0, 6)
    if prediction.error is not None:
        row["error"] = {"code": prediction.error.code, "message": prediction.error.message}
    return row


def dump(row: dict[str, Any]) -> str:
    """One line, readable in every script, without the newline."""
    return json.dumps(row, ensure_ascii=False)


def _rows(lines: Iterator[bytes]) -> Iterator[Row]:
    reader = jsonlines.Reader(lines)
    number = 0
    while True:
        try:
            data = reader.read(skip_empty=True)
        except EOFError:
            return
        except jsonlines.InvalidLineError as error:
            message = f"line {error.lineno} is not JSON: {_reason(error)}"
            yield Row(number, str(number), failure=Failure("invalid_json", message))
        except RecursionError:
            message = f"row {number} is nested too deeply: give one flat JSON object"
            yield Row(number, str(number), failure=Failure("invalid_json", message))
        else:
            yield _row(number, data)
        number += 1


def _reason(error: jsonlines.InvalidLineError) -> str:
    return str(error.__cause__ or error).splitlines()[0]


def _row(number: int, data: object) -> Row:
    if not isinstance(data, dict):
        failure = Failure("invalid_row", f"row {number} is not a JSON object but {json.dumps(data)[:40]}")
        return Row(number, str(number), failure=failure)
    identity = _identity(data.get("id"), number)
    prompt = data.get("prompt", data.get("input_field"))
    multiple_choice = data.get("is_multiple_choice")
    if not isinstance(prompt, str) or not prompt.strip():
        failure = Failure("no_text", f"row {number} has no text: put the question in 'prompt' (or 'input_field')")
        return Row(number, identity, failure=failure)
    if not _encodes(prompt):
        failure = Failure("invalid_text", f"row {number} holds half a surrogate pair: write the text as UTF-8")
        return Row(number, identity, failure=failure)
    if not isinstance(multiple_choice, bool):
        failure = Failure("no_flag", f"row {number}: 'is_multiple_choice' must be true or false")
        return Row(number, identity, failure=failure)
    return Row(number, identity, Question(identity, prompt, multiple_choice))


def _identity(given: object, number: int) -> str:
    if isinstance(given, bool) or not isinstance(given, str | int):
        return str(number)
    return str(given) if _encodes(str(given)) else str(number)


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
