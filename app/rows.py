"""Questions in, predictions out: read one at a time from any table, bad rows kept as what is wrong with them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from app.errors import InputError
from app.openai.request import ModelRequest
from app.openai.wire import FieldError, Refusing, RequestError, ShortText, check_text, invalid, read_body
from app.tables.columns import FORM, NO_COLUMNS, Columns, published
from app.tables.raw import RawRow, blank, flag_of, id_of
from app.tables.readers import PROMPT, Wanted, count_rows, read_raw
from app.types import Failure, Prediction, Question, TaskType

PROBABILITY_DIGITS = 4
"""Decimals of a probability that are written. Sums of floats differ in their last bits with the batch that a
request shares, so further digits would differ between two runs without meaning anything."""


def _read_prompt(given: object) -> str:
    if not isinstance(given, str) or not given.strip():
        raise ValueError("there is no text: put the question in 'prompt' (or 'input_field')")
    return check_text(given)


def _read_flag(given: object) -> bool | None:
    if blank(given):
        return None
    if not isinstance(given := flag_of(given), bool):
        raise ValueError("must be true or false, or left out")  # noqa: TRY004  # pydantic takes no other
    return given


class QuestionBody(Refusing):
    """One question, the same in a row of a file, in a request and in a line of a batch."""

    id: Annotated[str | None, BeforeValidator(id_of)] = Field(
        None, description="Comes back with the answer. By default the question's number."
    )
    prompt: Annotated[str, BeforeValidator(_read_prompt)] = Field(
        min_length=1,
        description="The question as the competition words it, options included; `input_field` is the same.",
    )
    is_multiple_choice: Annotated[bool | None, BeforeValidator(_read_flag)] = Field(
        None, description="The competition's mark; it decides. Left out or null: told from the options in the prompt."
    )
    task_type: TaskType | None = Field(None, strict=False, description="By default read from the prompt.")

    @model_validator(mode="before")
    @classmethod
    def _named_as_here(cls, body: object) -> object:
        """The kit's name for the prompt."""
        if not isinstance(body, dict):
            return body
        named = dict(body)
        kits = named.pop("input_field", None)
        # Null counts as left out, see `Refusing`.
        return named | {"prompt": (kits or "") if named.get("prompt") in (None, "") else named["prompt"]}


QUESTION_FIELDS = ("id", "prompt", "input_field", "is_multiple_choice")
"""What counts of a row in a file. Its `task_type` does not: in the data it is the label."""
MAX_QUESTIONS = 256


class Questions(Refusing):
    """One to 256 questions."""

    questions: list[QuestionBody] = Field(min_length=1, max_length=MAX_QUESTIONS)

    @model_validator(mode="after")
    def _ids_differ(self) -> Self:
        ids = self.ids
        if len(set(ids)) < len(ids):
            twice = next(name for number, name in enumerate(ids) if name in ids[:number])
            raise ValueError(f"questions: the id {twice!r} stands twice; answers are told apart by it")
        return self

    @property
    def ids(self) -> list[str]:
        """The id of each question, given or by number."""
        return [str(number) if question.id is None else question.id for number, question in enumerate(self.questions)]


class PredictRequest(Questions):
    """Questions whose answers are wanted."""

    model: ShortText | None = Field(
        None, description="The model or one of its LoRA adapters, as `/v1/models` names them; by default the model."
    )
    timeout: float | None = Field(
        None, gt=0, description="Seconds until an answer is late; or header X-Request-Timeout."
    )
    explain: bool = Field(
        False,
        description="Also tell how each answer came about: why this type, the prompt as rendered, the raw text. "
        "In a stream these come as lines of their own (`event`: routed, delta, prediction).",
    )


def read_predict_line(name: str, body: dict[str, Any]) -> tuple[PredictRequest, bool]:
    """The questions of a batch's line, and whether it is one alone, which gets its prediction alone.

    One alone that has no id is known by the line's name.

    Raises:
        RequestError: 422.
    """
    alone = "questions" not in body
    if alone:
        inner = {field: value for field, value in body.items() if field not in ("model", "timeout", "explain")}
        body = {"questions": [inner]} | {field: value for field, value in body.items() if field not in inner}
        if blank(inner.get("id")):
            inner["id"] = name
    request = read_body(PredictRequest, body)
    refused = {"timeout": request.timeout is not None, "explain": request.explain}
    message = "a batch has none: leave it out"
    if errors := [FieldError(field=name, message=message) for name, given in refused.items() if given]:
        raise invalid(errors)
    return request, alone


@dataclass(frozen=True, slots=True)
class Row:
    """One row of input: a question, a ready conversation, or why it is neither. `number` counts rows from 0.

    `chat` is for formats whose rows are conversations with sampling of their own; its id is empty. A line that asks
    for several answers is as many rows, of which this is number `part`; `parts` is None for all others. `task_type`
    and `model` (for questions) are what the line itself asks for.
    """

    number: int
    id: str
    question: Question | None = None
    failure: Failure | None = None
    chat: ModelRequest | None = None
    task_type: TaskType | None = None
    model: str | None = None
    part: int = 0
    parts: int | None = None
    where: str = ""
    """The row's place in its file, such as "line 12"."""
    others: Mapping[str, object] = field(default_factory=dict)
    """Columns that are carried through to the output."""

    @property
    def answer_id(self) -> str:
        """The id of its answer: a line's question may have one of its own."""
        return self.question.id if self.question else self.id


def read_rows(path: Path, kind: str | None = None, columns: Columns = NO_COLUMNS) -> Iterator[Row]:
    """The questions of a file, in the kit's names (`input_field`), ours (`id`, `prompt`) or those of `columns`.

    `kind` is as in `app.tables.readers`. A row without an id is known by its number, counted from 0, and one that
    cannot be read by its place. With `columns` of their own, rows bring their other columns along.

    Raises:
        InputError: the file cannot be read, has no column of prompts, or holds no row at all.
    """
    empty = True
    for raw in read_raw(path, kind, _wanted(path, columns)):
        empty = False
        yield row_of(columns.renamed(raw, labelled=False), carries=bool(columns))
    if empty:
        raise InputError(f"{path} is empty: give rows with 'prompt'")


def count_questions(path: Path, kind: str | None = None, columns: Columns = NO_COLUMNS) -> int:
    """How many rows `read_rows` gives. Errors as there, but for there being none."""
    return count_rows(path, kind, _wanted(path, columns))


def _wanted(path: Path, columns: Columns) -> Wanted:
    def wanted(names: Sequence[str]) -> Sequence[str]:
        named = ", ".join(map(repr, names))[:200]
        if known := columns or published(dict.fromkeys(names)):
            for column in known.needed():
                if column not in names:
                    raise InputError(f"{path} has no column {column!r}, but {named}: name it in --columns")
            return names
        if PROMPT not in names and "input_field" not in names:
            raise InputError(
                f"{path} has no column 'prompt' (or 'input_field'), but {named}: rename one, or say what they hold "
                f"with --columns, such as {FORM}"
            )
        return [name for name in QUESTION_FIELDS if name in names]

    return wanted


PREDICTION_COLUMNS = ("id", "task_type", "answer", "outcome", "prompts", "raw", "label_probs", "label_mass", "error")


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
    # Where texts were compared, no label has a probability.
    mass = None if prediction.label_mass is None else round(prediction.label_mass, PROBABILITY_DIGITS)
    return replace(prediction, label_probs=probabilities, label_mass=mass)


_CODES = {"prompt": "no_text", "is_multiple_choice": "no_flag"}


def row_of(raw: RawRow, *, carries: bool = False) -> Row:
    """The question that a row of a file holds, or why it holds none; total.

    What it `carries` beside its question stands beside its answer; a name that is taken there begins with "input_".
    """
    values = raw.values
    fields = {name: values[name] for name in QUESTION_FIELDS if name in values and not blank(values[name])}
    others = {}
    if carries:
        carried = ((name, value) for name, value in values.items() if name not in (*QUESTION_FIELDS, "gold"))
        others = {f"input_{name}" if name in PREDICTION_COLUMNS else name: value for name, value in carried}
    question, failure = None, raw.fault
    try:
        identity = id_of(fields.pop("id", None)) or (raw.where if failure else str(raw.index))
        if failure is None or (values and failure.code == "invalid_text"):
            body = read_body(QuestionBody, fields)
            question, failure = Question(identity, body.prompt, body.is_multiple_choice), None
    except ValueError as error:
        identity, failure = raw.where, failure or Failure("invalid_id", f"{raw.where}: id: {error}")
    except RequestError as refusal:
        failure = _failure(raw, refusal)
    return Row(raw.index, identity, question, failure, where=raw.where, others=others)


def _failure(raw: RawRow, refusal: RequestError) -> Failure:
    found = (refusal.errors or ())[0]
    code = "invalid_text" if "surrogate" in found.message else _CODES[found.field]
    if code == "no_text" and {"custom_id", "body"} <= raw.values.keys():
        return Failure(code, f"{raw.where} is of an OpenAI batch file: say so with --input-format openai")
    return Failure(code, f"{raw.where}: {found.field}: {found.message}")
