"""What the routes of files and batches take. What they give are the types of OpenAI's own package."""

from typing import Annotated, Literal

from fastapi import UploadFile
from openai.types import FileObject
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.errors import InputError
from app.process import parse_duration
from app.serve.chat.wire import ShortText, Text
from app.serve.predict.wire import Refusing

CHAT, PREDICT = "/v1/chat/completions", "/v1/predict"
DAY = 24 * 3600
LONGEST_WINDOW = 7 * DAY
SHORTEST_LIFE, LONGEST_LIFE = 3600, 30 * DAY


def _check_window(text: str) -> str:
    try:
        seconds = parse_duration(text)
    except InputError as error:
        raise ValueError(str(error)) from error
    if seconds > LONGEST_WINDOW:
        raise ValueError(f"{text!r} is too long: at most {LONGEST_WINDOW // 3600}h")
    return text


Window = Annotated[str, Field(max_length=32), AfterValidator(_check_window)]


class UploadForm(BaseModel):
    """A file and what it is for."""

    model_config = ConfigDict(extra="forbid")

    purpose: Literal["batch"]
    file: UploadFile = Field(description="JSON lines: `custom_id`, `method`, `url` and `body` each.")
    expires_anchor: Literal["created_at"] | None = Field(None, alias="expires_after[anchor]")
    expires_seconds: int | None = Field(None, alias="expires_after[seconds]", ge=SHORTEST_LIFE, le=LONGEST_LIFE)


class ExpiresAfter(Refusing):
    """When a file is deleted."""

    anchor: Literal["created_at"]
    seconds: int = Field(ge=SHORTEST_LIFE, le=LONGEST_LIFE)


class BatchRequest(Refusing):
    """Which file to answer, and until when."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"input_file_id": "file-0123456789abcdef", "endpoint": CHAT, "completion_window": "24h"},
            ]
        },
    )

    input_file_id: ShortText
    endpoint: Literal["/v1/chat/completions", "/v1/predict"]
    completion_window: Window = Field(description="Such as 24h or 90m. What is not answered by then is not asked.")
    metadata: dict[ShortText, Annotated[Text, Field(max_length=512)]] | None = Field(None, max_length=16)
    output_expires_after: ExpiresAfter | None = None


class FileList(BaseModel):
    """Files, in order of creation."""

    object: Literal["list"] = "list"
    data: list[FileObject]
    has_more: bool
    first_id: str | None = None
    last_id: str | None = None


class DeletedFile(BaseModel):
    """What is left of a file."""

    id: str
    object: Literal["file"] = "file"
    deleted: Literal[True] = True
