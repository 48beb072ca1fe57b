"""The OpenAI batch file: `custom_id`, `method`, `url` and `body` a line, in; `response` or `error` a line, out.

The shapes are those of the published OpenAPI document (BatchRequestInput, BatchRequestOutput,
CreateChatCompletionResponse), for two addresses: `/v1/chat/completions`, a conversation that goes to the model
as it is, and `/v1/predict`, a question as in JSON lines, which is routed and constrained.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from app.files import dump
from app.jobs.formats import json_lines
from app.jobs.formats.arriving import as_they_arrive
from app.jobs.formats.base import Format, Header
from app.jobs.job import Result
from app.rows import Row, encodes, prediction_row, read_objects, row_of
from app.types import Failure, GenerationRequest, Message, SamplingParams

CHAT = "/v1/chat/completions"
PREDICT = "/v1/predict"
DEFAULT_MAX_TOKENS = 256
"""For a conversation that names no limit."""
_INT64 = 1 << 63
_WITHOUT_EFFECT: dict[str, object] = {
    "top_p": 1,
    "frequency_penalty": 0,
    "presence_penalty": 0,
    "logprobs": False,
    "top_logprobs": 0,
    "response_format": {"type": "text"},
    "stream_options": None,
}
"""Parameters that are not supported, at the value that changes nothing: clients write defaults out."""


class _Refusing(BaseModel):
    """What is not known is refused by name, so that nothing is ignored in silence."""

    model_config = ConfigDict(extra="forbid", strict=True)


class TextPart(_Refusing):
    """A part of a turn."""

    type: Literal["text"]
    text: str


class ChatMessage(_Refusing):
    """One turn; text only."""

    role: Literal["system", "user", "assistant"]
    content: str | Annotated[list[TextPart], Field(min_length=1)]

    @property
    def text(self) -> str:
        """The whole turn; its parts are lines, as vLLM joins them."""
        return self.content if isinstance(self.content, str) else "\n".join(part.text for part in self.content)


class ChatBody(_Refusing):
    """The parameters of a chat completion that have a meaning here."""

    model: str
    messages: list[ChatMessage] = Field(min_length=1)
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    temperature: float | None = Field(None, ge=0.0, le=2.0)
    seed: int | None = Field(None, ge=-_INT64, lt=_INT64)
    stop: str | list[str] | None = None
    n: Literal[1] = 1
    stream: Literal[False] = False
    user: str | None = None
    metadata: dict[str, str] | None = None

    @model_validator(mode="before")
    @classmethod
    def _without_defaults(cls, body: dict[str, Any]) -> dict[str, Any]:
        """What is null, or written out at its default, is as good as left out."""
        unset = object()
        return {
            name: value
            for name, value in body.items()
            if value is not None and _WITHOUT_EFFECT.get(name, unset) != value
        }

    @field_validator("stop")
    @classmethod
    def _stops(cls, stop: str | list[str] | None) -> str | list[str] | None:
        if stop is not None and (not stop if isinstance(stop, str) else "" in stop):
            raise ValueError("an empty text cannot end an answer: leave it out")
        return stop


class QuestionBody(_Refusing):
    """A question, as a line of JSON lines has it; `row_of` says what is wrong with its values."""

    id: Any = None
    prompt: Any = None
    input_field: Any = None
    is_multiple_choice: Any = None


class BatchLine(_Refusing):
    """One line of the input file."""

    custom_id: str
    method: Literal["POST"]
    url: Literal["/v1/chat/completions", "/v1/predict"]
    body: dict[str, Any]


def read(path: Path) -> Iterator[Row]:
    """The lines of a file; a line that is no request is a row with a failure.

    Raises:
        InputError: the file cannot be read, or holds no line at all.
    """
    for number, data in read_objects(path):
        yield data if isinstance(data, Row) else _row(number, data)


def is_batch_line(data: object) -> bool:
    """Whether a JSON value looks like a line of such a file."""
    return isinstance(data, dict) and {"custom_id", "body"} <= data.keys()


class OpenAIBatchWriter:
    """A line for each result: `response` with the body that the server would have sent, or `error`."""

    def __init__(self, file: BinaryIO, header: Header) -> None:
        """Write into an open file."""
        self._file = file
        self._header = header

    def write(self, result: Result) -> None:
        """Add one line."""
        self._file.write(dump(self._line(result)).encode() + b"\n")

    def close(self) -> None:
        """Nothing is held back."""

    def _line(self, result: Result) -> dict[str, Any]:
        row = result.row
        # Made from the row, not drawn at random: the same run writes the same bytes.
        name = hashlib.blake2b(f"{row.number}\0{row.id}".encode(), digest_size=12).hexdigest()
        line: dict[str, Any] = {"id": f"batch_req_{name}", "custom_id": row.id}
        failure = result.prediction.error
        if failure is not None:
            return line | {"response": None, "error": {"code": failure.code, "message": failure.message}}
        body = self._completion(result, name) if row.chat else prediction_row(result.prediction, self._header.prompts)
        return line | {"response": {"status_code": 200, "request_id": f"req_{name}", "body": body}, "error": None}

    def _completion(self, result: Result, name: str) -> dict[str, Any]:
        usage = result.usage
        message = {"role": "assistant", "content": result.prediction.answer, "refusal": None}
        prompt, output = (usage.prompt_tokens, usage.output_tokens) if usage else (0, 0)
        return {
            "id": f"chatcmpl-{name}",
            "object": "chat.completion",
            "created": 0,  # the time of day would make every run's file another one
            "model": self._header.model,
            "choices": [
                {
                    "index": 0,
                    "message": message,
                    "logprobs": None,
                    "finish_reason": usage.finish_reason if usage else "stop",
                }
            ],
            "usage": {"prompt_tokens": prompt, "completion_tokens": output, "total_tokens": prompt + output},
        }


def _row(number: int, data: object) -> Row:
    custom_id = data.get("custom_id") if isinstance(data, dict) else None
    identity = custom_id if isinstance(custom_id, str) and encodes(custom_id) else str(number)
    try:
        line = BatchLine.model_validate(data)
        if line.url == PREDICT:
            QuestionBody.model_validate(line.body)
            return row_of(number, line.body | {"id": identity})
        request = _request(ChatBody.model_validate(line.body))
    except ValidationError as error:
        return Row(number, identity, failure=Failure("invalid_request", f"row {number}: {_first(error)}"))
    if not all(map(encodes, [*(message.content for message in request.messages), *request.sampling.stop])):
        message = f"row {number} holds half a surrogate pair: write the text as UTF-8"
        return Row(number, identity, failure=Failure("invalid_text", message))
    return Row(number, identity, chat=request)


def _request(body: ChatBody) -> GenerationRequest:
    stop = (body.stop,) if isinstance(body.stop, str) else tuple(body.stop or ())
    most = body.max_completion_tokens or body.max_tokens or DEFAULT_MAX_TOKENS
    sampling = SamplingParams(most, temperature=body.temperature or 0.0, seed=body.seed or 0, stop=stop)
    return GenerationRequest("", tuple(Message(turn.role, turn.text) for turn in body.messages), sampling)


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    name = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"unknown or unsupported parameter {name!r}: leave it out"
    return f"{name!r}: {first['msg'].lower()}" if name else first["msg"].lower()


OPENAI_BATCH = Format("openai", (), as_they_arrive(read), json_lines.count, OpenAIBatchWriter)
