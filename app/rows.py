"""JSON lines in and out: questions read one at a time, bad lines kept as what is wrong with them."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jsonlines

from app.errors import InputError
from app.files import open_bytes
from app.types import Failure, GenerationRequest, Prediction, Question

PROBABILITY_DIGITS = 4
"""Decimals of a probability that are written. Sums of floats differ in their last bits with the batch that a
request shares, so further digits would differ between two runs without meaning anything."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of input: a question, a ready conversation, or why it is neither. `number` counts rows from 0.

    `chat` is for formats whose rows are conversations with sampling of their own; its id is empty.
    """

    number: int
    id: str
    question: Question | None = None
    failure: Failure | None = None
    chat: GenerationRequest | None = None


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a file in the kit's format (`input_field`) or ours (`id`, `prompt`). Blank lines do not count.

    A row without an id is known by its number, counted from 0. "-" is standard input; a name that ends in
    ".gz" is decompressed.

    Raises:
        InputError: the file cannot be read, or holds no row at all.
    """
    for number, data in read_objects(path):
        yield data if isinstance(data, Row) else row_of(number, data)


def read_objects(path: Path) -> Iterator[tuple[int, object]]:
    """`(number, value)` for every line that is not blank; the value is a failed `Row` where it is not JSON.

    Raises:
        InputError: the file cannot be read, or holds no line at all.
    """
    empty = True
    with open_bytes(path) as lines:
        for numbered in _objects(lines):
            empty = False
            yield numbered
    if empty:
        raise InputError(f"{path} is empty: give one JSON object a line, with 'prompt' and 'is_multiple_choice'")


def prediction_row(prediction: Prediction, fingerprint: str) -> dict[str, Any]:
    """A prediction as an output row: `task_type` and `answer` always stand, what is not known is left out.

    `raw` is the model's own text, where that is not the answer.
    """
    row: dict[str, Any] = {
        "id": prediction.id,
        "task_type": prediction.task_type,
        "answer": prediction.answer,
        "outcome": prediction.outcome,
        "prompts": fingerprint,
    }
    if prediction.raw and prediction.raw != prediction.answer:
        row["raw"] = prediction.raw
    prediction = rounded(prediction)
    if prediction.label_probs is not None:
        row["label_probs"] = dict(prediction.label_probs)
        row["label_mass"] = prediction.label_mass
    if prediction.error is not None:
        row["error"] = {"code": prediction.error.code, "message": prediction.error.message}
    return row


def rounded(prediction: Prediction) -> Prediction:
    """The prediction with as many digits as mean something; see `PROBABILITY_DIGITS`."""
    if prediction.label_probs is None:
        return prediction
    probabilities = {label: round(p, PROBABILITY_DIGITS) for label, p in prediction.label_probs.items()}
    mass = round(prediction.label_mass or 0.0, PROBABILITY_DIGITS)
    return replace(prediction, label_probs=probabilities, label_mass=mass)


def row_of(number: int, data: object) -> Row:
    """The row that a JSON value stands for; total."""
    if not isinstance(data, dict):
        failure = Failure("invalid_row", f"row {number} is not a JSON object but {json.dumps(data)[:40]}")
        return Row(number, str(number), failure=failure)
    identity = identity_of(data.get("id"), number)
    if identity is None:
        failure = Failure("invalid_id", f"row {number}: 'id' must be a string or a whole number, or be left out")
        return Row(number, str(number), failure=failure)
    prompt = data.get("prompt", data.get("input_field"))
    multiple_choice = data.get("is_multiple_choice")
    if not isinstance(prompt, str) or not prompt.strip():
        return Row(number, identity, failure=_no_text(number, data))
    if not encodes(prompt):
        failure = Failure("invalid_text", f"row {number} holds half a surrogate pair: write the text as UTF-8")
        return Row(number, identity, failure=failure)
    if not isinstance(multiple_choice, bool):
        failure = Failure("no_flag", f"row {number}: 'is_multiple_choice' must be true or false")
        return Row(number, identity, failure=failure)
    return Row(number, identity, Question(identity, prompt, multiple_choice))


def _no_text(number: int, data: dict[str, Any]) -> Failure:
    fix = "has no text: put the question in 'prompt' (or 'input_field')"
    if {"custom_id", "body"} <= data.keys():
        fix = "is a line of an OpenAI batch file: say so with --input-format openai"
    return Failure("no_text", f"row {number} {fix}")


def identity_of(given: object, number: int) -> str | None:
    """A row's id: the given string or whole number, its number where nothing is given, None where it is neither.

    17.0 is 17: pandas turns whole numbers into floats where one is missing.
    """
    if given is None:
        return str(number)
    if isinstance(given, float) and given.is_integer():
        return str(int(given))
    whole = isinstance(given, str | int) and not isinstance(given, bool) and encodes(str(given))
    return str(given) if whole else None


def encodes(text: str) -> bool:
    """Whether a text can be written as UTF-8: half a surrogate pair cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _objects(lines: Iterable[bytes]) -> Iterator[tuple[int, object]]:
    reader = jsonlines.Reader(lines)
    number = 0
    while True:
        try:
            yield number, reader.read(skip_empty=True)
        except EOFError:
            return
        except jsonlines.InvalidLineError as error:
            yield number, _not_json(number, f"line {error.lineno} is not JSON: {_reason(error)}")
        except RecursionError:
            yield number, _not_json(number, f"row {number} is nested too deeply: give one flat JSON object")
        number += 1


def _not_json(number: int, message: str) -> Row:
    return Row(number, str(number), failure=Failure("invalid_json", message))


def _reason(error: jsonlines.InvalidLineError) -> str:
    return str(error.__cause__ or error).splitlines()[0]
