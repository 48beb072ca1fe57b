"""Files and batches of OpenAI's interface: what its routes take, and a line of a batch file, offline and served."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field

from app.errors import InputError
from app.openai.chat import ChatRequest
from app.openai.completions import CompletionRequest
from app.openai.request import ModelRequest
from app.openai.wire import FieldError, Refusing, RequestError, ShortText, Text, check_size, read_body
from app.process import parse_duration
from app.tables.raw import encodes

CHAT, COMPLETIONS, PREDICT = "/v1/chat/completions", "/v1/completions", "/v1/predict"
Endpoint = Literal["/v1/chat/completions", "/v1/completions", "/v1/predict"]
MODELS: Mapping[str, type[ModelRequest]] = {CHAT: ChatRequest, COMPLETIONS: CompletionRequest}
"""What the bodies of requests to a model are, by endpoint; the other endpoint takes questions."""
LONGEST_NAME = 512
DAY = 24 * 3600
LONGEST_WINDOW = 7 * DAY
SHORTEST_LIFE, LONGEST_LIFE = 3600, 30 * DAY


class BatchLine(Refusing):
    """One line of the input file."""

    custom_id: str
    method: Literal["POST"]
    url: Endpoint
    body: dict[str, Any]


def read_line(data: object) -> BatchLine:
    """A line of a batch file.

    Raises:
        RequestError: it is none; the code says what is wrong.
    """
    check_size(data)
    line = read_body(BatchLine, data)
    if not 0 < len(line.custom_id) <= LONGEST_NAME or not encodes(line.custom_id):
        message = f"custom_id must be a text of 1 to {LONGEST_NAME} characters"
        raise RequestError(422, "invalid_custom_id", message, [FieldError(field="custom_id", message=message)])
    return line


def _check_window(text: str) -> str:
    try:
        seconds = parse_duration(text)
    except InputError as error:
        raise ValueError(str(error)) from error
    if seconds > LONGEST_WINDOW:
        raise ValueError(f"{text!r} is too long: at most {LONGEST_WINDOW // 3600}h")
    return text


class ExpiresAfter(Refusing):
    """When a file is deleted."""

    anchor: Literal["created_at"]
    seconds: int = Field(ge=SHORTEST_LIFE, le=LONGEST_LIFE)


class BatchRequest(Refusing):
    """Which file to answer, and until when."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"input_file_id": "file-0123456789abcdef", "endpoint": CHAT, "completion_window": "24h"}]
        },
    )

    input_file_id: ShortText
    endpoint: Endpoint
    completion_window: Annotated[str, Field(max_length=32), AfterValidator(_check_window)] = Field(
        description="Such as 24h or 90m. What is not answered by then is not asked."
    )
    metadata: dict[ShortText, Annotated[Text, Field(max_length=512)]] | None = Field(None, max_length=16)
    output_expires_after: ExpiresAfter | None = None
