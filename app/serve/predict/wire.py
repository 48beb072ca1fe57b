"""What the server takes and gives. Unknown fields are refused by name."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, model_validator

from app.rows import encodes
from app.types import Outcome, TaskType

MAX_QUESTIONS = 256
MAX_ID_CHARACTERS = 256


def _check_text(text: str) -> str:
    if not encodes(text):
        raise ValueError("half a surrogate pair: send the text as UTF-8")
    return text


def _check_prompt(text: str) -> str:
    if not text.strip():
        raise ValueError("there is no text: put the question here")
    return _check_text(text)


Prompt = Annotated[str, Field(min_length=1), AfterValidator(_check_prompt)]
QuestionId = Annotated[str, Field(min_length=1, max_length=MAX_ID_CHARACTERS), AfterValidator(_check_text)]

EXAMPLE: dict[str, JsonValue] = {
    "questions": [
        {
            "id": "wattage",
            "prompt": "Which of these is sold by its wattage?\n0. bookmark\n1. hair dryer\n2. doormat\nAnswer: ",
            "is_multiple_choice": True,
        }
    ]
}


class Refusing(BaseModel):
    """A part of a request."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class QuestionBody(Refusing):
    """One question."""

    prompt: Prompt = Field(description="The question as the competition words it, options included.")
    is_multiple_choice: bool = Field(
        strict=True, description="The competition's mark; part of how a question is routed."
    )
    id: QuestionId | None = Field(None, description="Comes back with the answer. By default the question's number.")
    task_type: TaskType | None = Field(None, description="By default read from the prompt.")


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


class RouteRequest(Questions):
    """Questions whose type is wanted."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})


class PredictRequest(Questions):
    """Questions whose answers are wanted."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    model: QuestionId | None = Field(
        None, description="The model or one of its LoRA adapters, as `/v1/models` names them; by default the model."
    )
    timeout: float | None = Field(
        None, gt=0, description="Seconds until an answer is late; or header X-Request-Timeout."
    )
    explain: bool = Field(
        False,
        strict=True,
        description="Also tell how each answer came about: why this type, the prompt as rendered, the raw text. "
        "In a stream these come as lines of their own (`event`: routed, delta, prediction).",
    )


class RouteBody(BaseModel):
    """A question's type, and the wording that gave it away."""

    id: str
    task_type: TaskType
    reason: str


class RouteResponse(BaseModel):
    """One route a question, in their order."""

    routes: list[RouteBody]


class MessageBody(BaseModel):
    """One turn of the conversation that the model saw."""

    role: Literal["system", "user", "assistant"]
    content: str


class ErrorBody(BaseModel):
    """Why a question has no answer, or only a fallback."""

    code: str = Field(examples=["timeout", "engine_failed", "too_long", "prompt_too_long"])
    message: str


class PredictionBody(BaseModel):
    """The answer to one question."""

    id: str
    task_type: TaskType | None = Field(description="Null only where the time was over before the type was known.")
    answer: str | None = Field(description="As the competition's evaluator reads it; null only beside an error.")
    outcome: Outcome
    label_probs: dict[str, float] | None = Field(None, description="For a choice: the labels' probabilities, sum 1.")
    label_mass: float | None = Field(None, description="The sum of the labels' probabilities before that.")
    error: ErrorBody | None = None
    reason: str | None = Field(None, description="With `explain`: why the question is of this type.")
    messages: list[MessageBody] | None = Field(None, description="With `explain`: the prompt as rendered.")
    raw: str | None = Field(None, description="With `explain`: the model's own text.")
    seconds: float | None = Field(None, description="With `explain`: from handing over to the engine to the answer.")


class PredictResponse(BaseModel):
    """One prediction a question, in their order."""

    model: str
    prompts: str = Field(description="Fingerprint of the prompt templates.")
    predictions: list[PredictionBody]
