"""The chat completion request of OpenAI's interface, as far as it has a meaning here. All else is refused by name."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field

from app.rows import encodes
from app.serve.predict.wire import Refusing


def _check_text(text: str) -> str:
    if not encodes(text):
        raise ValueError("half a surrogate pair: send the text as UTF-8")
    return text


Text = Annotated[str, AfterValidator(_check_text)]
ShortText = Annotated[Text, Field(min_length=1, max_length=256)]
INT64 = 1 << 63


def _known_role(role: str) -> str:
    return "system" if role == "developer" else role


class TextPart(Refusing):
    """A part of a message; there are no others than text."""

    type: Literal["text"]
    text: Text


class ChatTurn(Refusing):
    """One turn. A developer's is the system's by its newer name."""

    role: Annotated[Literal["system", "developer", "user", "assistant"], AfterValidator(_known_role)]
    content: Text | Annotated[list[TextPart], Field(min_length=1, max_length=64)]
    name: ShortText | None = None


class JsonSchema(Refusing):
    """A named schema."""

    name: ShortText
    description: Text | None = None
    schema_: dict[str, Any] = Field(alias="schema")
    strict: bool | None = None


class TextFormat(Refusing):
    """Free text."""

    type: Literal["text"]


class JsonObjectFormat(Refusing):
    """Any JSON object."""

    type: Literal["json_object"]


class JsonSchemaFormat(Refusing):
    """JSON that a schema describes."""

    type: Literal["json_schema"]
    json_schema: JsonSchema


class StructuredOutputs(Refusing):
    """vLLM's own way to constrain an answer: by a regular expression or a list."""

    regex: Text | None = Field(None, min_length=1)
    choice: list[ShortText] | None = Field(None, min_length=1, max_length=256)


class StreamOptions(Refusing):
    """What a stream tells besides the text."""

    include_usage: bool = False


class ChatRequest(Refusing):
    """A conversation that goes to the model as it is: not routed, constrained only as the request says."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "model": "mini",
                    "messages": [{"role": "user", "content": "Name one thing that is sold by its wattage."}],
                    "max_completion_tokens": 16,
                }
            ]
        },
    )

    model: ShortText
    messages: list[ChatTurn] = Field(min_length=1, max_length=256)
    max_completion_tokens: int | None = Field(None, ge=1)
    max_tokens: int | None = Field(None, ge=1)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    seed: int | None = Field(None, ge=-INT64, lt=INT64)
    stop: ShortText | Annotated[list[ShortText], Field(max_length=4)] | None = None
    n: int | None = Field(1, ge=1)
    logprobs: bool | None = False
    top_logprobs: int | None = Field(0, ge=0, le=20)
    response_format: Annotated[TextFormat | JsonObjectFormat | JsonSchemaFormat, Field(discriminator="type")] | None = (
        None
    )
    structured_outputs: StructuredOutputs | None = None
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    user: ShortText | None = None
    metadata: dict[ShortText, Text] | None = Field(None, max_length=16)
