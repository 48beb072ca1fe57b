"""Chat completions of OpenAI's interface, as far as they have a meaning here: the same in a file, a batch and online.

The shapes are those of the published OpenAPI document, and vLLM's `structured_outputs`; defaults are those of both:
a temperature of 1, and as many tokens as the context has room for.
"""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from app.engines.base import LoadedModel
from app.engines.constraints.limits import check_regex, check_schema
from app.errors import EngineError
from app.openai.wire import FieldError, Refusing, RequestError, ShortText, Text, invalid
from app.types import Completion, GenerationRequest, JsonSchema, Message, Regex, SamplingParams

INT64 = 1 << 63


class TextPart(Refusing):
    """A part of a message; there are no others than text."""

    type: Literal["text"]
    text: Text


class ChatTurn(Refusing):
    """One turn. A developer's is the system's by its newer name."""

    role: Annotated[
        Literal["system", "developer", "user", "assistant"],
        AfterValidator(lambda role: "system" if role == "developer" else role),
    ]
    content: Text | Annotated[list[TextPart], Field(min_length=1, max_length=64)]
    name: ShortText | None = None

    @property
    def text(self) -> str:
        """The whole turn; its parts are lines, as vLLM joins them."""
        return self.content if isinstance(self.content, str) else "\n".join(part.text for part in self.content)


class NamedSchema(Refusing):
    """A schema with a name."""

    model_config = ConfigDict(serialize_by_alias=True)

    name: ShortText
    description: Text | None = None
    schema_: dict[str, Any] = Field(alias="schema")
    strict: bool | None = None


class PlainFormat(Refusing):
    """Free text, or any JSON object."""

    type: Literal["text", "json_object"]


class JsonSchemaFormat(Refusing):
    """JSON that a schema describes."""

    type: Literal["json_schema"]
    json_schema: NamedSchema


class StructuredOutputs(Refusing):
    """vLLM's own way to constrain an answer: by a regular expression or a list."""

    regex: Text | None = Field(None, min_length=1)
    choice: list[ShortText] | None = Field(None, min_length=1, max_length=256)


class StreamOptions(Refusing):
    """What a stream tells besides the text."""

    include_usage: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one request may ask for. A server's own settings take the place of these."""

    choices: int = 8
    regex_characters: int = 256
    prompt_characters: int | None = None
    """Offline the model's context is the limit."""


class ChatRequest(Refusing):
    """A conversation that goes to the model as it is: not routed, constrained only as the request says."""

    model_config = ConfigDict(
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
    stop: ShortText | Annotated[list[ShortText], Field(max_length=16)] | None = None
    n: int | None = Field(None, ge=1)
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=20)
    response_format: Annotated[PlainFormat | JsonSchemaFormat, Field(discriminator="type")] | None = None
    structured_outputs: StructuredOutputs | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: ShortText | None = None
    metadata: dict[ShortText, Text] | None = Field(None, max_length=16)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, body: object) -> object:
        """Clients write out what they do not set: null is as good as left out, whatever its name."""
        return {name: value for name, value in body.items() if value is not None} if isinstance(body, dict) else body

    @property
    def choices(self) -> int:
        """How many answers are asked for."""
        return self.n or 1

    @property
    def constrained(self) -> bool:
        """Whether a grammar is asked for."""
        return self.structured_outputs is not None or self.response_format is not None

    @property
    def characters(self) -> int:
        """The length of all messages together."""
        return sum(len(turn.text) for turn in self.messages)

    @cached_property
    def turns(self) -> tuple[Message, ...]:
        """The conversation as engines take it."""
        return tuple(Message(turn.role, turn.text, turn.name) for turn in self.messages)  # type: ignore[arg-type]  # a developer's became the system's

    @cached_property
    def constraint(self) -> Regex | JsonSchema | None:
        """What the answer must look like."""
        outputs, wanted = self.structured_outputs, self.response_format
        if outputs is not None:
            return Regex(outputs.regex or "|".join(re.escape(choice) for choice in outputs.choice or ()))
        if isinstance(wanted, JsonSchemaFormat):
            return JsonSchema(json.dumps(wanted.json_schema.schema_))
        return JsonSchema('{"type": "object"}') if wanted is not None and wanted.type == "json_object" else None

    def check(self, limits: Limits, *, in_batch: bool = False) -> None:
        """Refuse what the shape of a request cannot say.

        Raises:
            RequestError: 422, with every field that is wrong.
        """
        found = {
            "n": f"at most {limits.choices}" if self.choices > limits.choices else None,
            "top_logprobs": "needs logprobs: true" if self.top_logprobs and not self.logprobs else None,
            "stream_options": "needs stream: true" if self.stream_options is not None and not self.stream else None,
            "stream": "a batch has no streams: leave it out" if in_batch and self.stream else None,
        }
        errors = [FieldError(field=field, message=message) for field, message in found.items() if message]
        if limits.prompt_characters is not None and self.characters > limits.prompt_characters:
            message = f"longer than {limits.prompt_characters} characters in all: shorten them"
            errors.append(FieldError(field="messages", message=message))
        errors += self._grammar_errors(limits.regex_characters)
        if errors:
            raise invalid(errors)

    def _grammar_errors(self, longest_regex: int) -> list[FieldError]:
        errors, outputs = [], self.structured_outputs
        if outputs is not None:
            if (outputs.regex is None) == (outputs.choice is None):
                errors.append(FieldError(field="structured_outputs", message="give either regex or choice"))
            if self.response_format is not None and self.response_format.type != "text":
                errors.append(FieldError(field="structured_outputs", message="goes not together with response_format"))
        try:
            field = "structured_outputs.regex"
            if outputs is not None and outputs.regex is not None:
                check_regex(outputs.regex, longest_regex)
            field = "response_format.json_schema.schema"
            if isinstance(self.response_format, JsonSchemaFormat):
                check_schema(self.response_format.json_schema.schema_, longest_regex)
        except ValueError as error:
            errors.append(FieldError(field=field, message=str(error)))
        return errors


def adapter_of(asked: str | None, model: str, adapters: Collection[str]) -> str | None:
    """The LoRA adapter that a request's `model` stands for, or None for the model itself.

    Raises:
        RequestError: 404, there is neither.
    """
    if asked is None or asked == model:
        return None
    if asked not in adapters:
        raise RequestError(404, "no_such_model", f"there is no such model, but {', '.join([model, *sorted(adapters)])}")
    return asked


def generation_request(
    body: ChatRequest, model: LoadedModel, name: str, request_id: str, choice: int = 0, seed: int = 0
) -> GenerationRequest:
    """The call of the model for one of the answers that are asked for.

    Args:
        body: what is asked, checked.
        model: who answers.
        name: what `model` says for it in requests.
        request_id: unique among the requests in flight.
        choice: which answer, from 0. Each is drawn with a seed of its own.
        seed: the seed of a request that names none.

    Raises:
        RequestError: 404, there is no such model.
    """
    adapter = adapter_of(body.model, name, model.adapters)
    most = body.max_completion_tokens or body.max_tokens
    if most is None:
        try:
            most = max(1, model.context_length - model.count_tokens(body.turns))
        except EngineError:
            # The engine says why, and refuses this request alone.
            most = 1
    stop = (body.stop,) if isinstance(body.stop, str) else tuple(body.stop or ())
    sampling = SamplingParams(
        most,
        1.0 if body.temperature is None else body.temperature,
        (seed if body.seed is None else body.seed) + choice,
        stop,
        1.0 if body.top_p is None else body.top_p,
        body.frequency_penalty or 0.0,
        body.presence_penalty or 0.0,
        (body.top_logprobs or 0) if body.logprobs else None,
    )
    return GenerationRequest(request_id, body.turns, sampling, body.constraint, adapter)


def completion_body(name: str, created: int, model: str, completions: Sequence[Completion]) -> dict[str, Any]:
    """A whole chat completion."""
    choices = [
        {
            "index": index,
            "message": {"role": "assistant", "content": completion.text, "refusal": None},
            "logprobs": logprobs_body(completion),
            "finish_reason": completion.finish_reason,
        }
        for index, completion in enumerate(completions)
    ]
    head = {"id": f"chatcmpl-{name}", "object": "chat.completion", "created": created, "model": model}
    return {**head, "choices": choices, "usage": usage_body(completions)}


def logprobs_body(completion: Completion) -> dict[str, Any] | None:
    """The tokens' log-probabilities, where they were asked for."""
    return None if completion.logprobs is None else {"content": list(completion.logprobs), "refusal": None}


def usage_body(completions: Sequence[Completion]) -> Mapping[str, int]:
    """Tokens: the prompt counts once, however many answers it has."""
    prompt, output = completions[0].prompt_tokens, sum(completion.output_tokens for completion in completions)
    return {"prompt_tokens": prompt, "completion_tokens": output, "total_tokens": prompt + output}
