"""What all requests for texts of a model have in common: how to decode, what the answer must look like, how much of it.

The shapes are those of OpenAI's published OpenAPI document, with vLLM's `structured_outputs` and its parameters of
sampling; defaults are those of both: a temperature of 1. A field that asks for nothing may stand where it says so.
"""

import json
import re
from abc import abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field

from app.engines.base import LoadedModel
from app.engines.constraints.limits import check_regex, check_schema
from app.openai.wire import FieldError, Refusing, RequestError, ShortText, Text, invalid
from app.types import Completion, GenerationRequest, JsonSchema, Regex, SamplingParams

INT64 = 1 << 63
TokenId = Annotated[int, Field(ge=0, lt=1 << 31)]


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


PLAIN = PlainFormat(type="text")


class StructuredOutputs(Refusing):
    """vLLM's own way to constrain an answer: by a regular expression or a list."""

    regex: Text | None = Field(None, min_length=1)
    choice: list[ShortText] | None = Field(None, min_length=1, max_length=256)


class StreamOptions(Refusing):
    """What a stream tells besides the text."""

    include_usage: bool = False
    include_obfuscation: Literal[False] = False
    continuous_usage_stats: Literal[False] = False


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one request may ask for. A server's own settings take the place of these."""

    choices: int = 8
    regex_characters: int = 256
    prompt_characters: int | None = None
    """Offline the model's context is the limit."""


class ModelRequest(Refusing):
    """What goes to the model as it is: not routed, constrained only as the request says."""

    kind: ClassVar[str]
    """As metrics call it."""
    prefix: ClassVar[str]
    """Of an answer's id."""
    whole: ClassVar[str]
    piece: ClassVar[str]
    """What answers, and their pieces in a stream, call themselves."""

    model: ShortText
    max_tokens: int | None = Field(None, ge=1)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    logit_bias: dict[ShortText, Annotated[float, Field(ge=-100, le=100)]] | None = Field(None, max_length=1024)
    seed: int | None = Field(None, ge=-INT64, lt=INT64)
    stop: ShortText | Annotated[list[ShortText], Field(max_length=16)] | None = None
    n: int | None = Field(None, ge=1)
    response_format: Annotated[PlainFormat | JsonSchemaFormat, Field(discriminator="type")] | None = None
    structured_outputs: StructuredOutputs | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: ShortText | None = None

    top_k: int | None = Field(None, ge=-1, lt=1 << 31, description="vLLM's; 0 and -1 keep all tokens.")
    min_p: float | None = Field(None, ge=0, le=1, description="vLLM's.")
    repetition_penalty: float | None = Field(None, gt=0, le=100, description="vLLM's; 1 does nothing.")
    stop_token_ids: list[TokenId] | None = Field(None, max_length=64, description="vLLM's.")
    ignore_eos: bool | None = Field(None, description="vLLM's: go on to the longest answer.")

    min_tokens: Literal[0] | None = None
    skip_special_tokens: Literal[True] | None = None
    spaces_between_special_tokens: Literal[True] | None = None
    include_stop_str_in_output: Literal[False] | None = None
    use_beam_search: Literal[False] | None = None
    length_penalty: float | None = Field(None, ge=1, le=1)
    bad_words: Annotated[list[Any], Field(max_length=0)] | None = None
    return_token_ids: Literal[False] | None = None
    return_tokens_as_token_ids: Literal[False] | None = None
    priority: Literal[0] | None = None

    @property
    def choices(self) -> int:
        """How many answers to each prompt are asked for."""
        return self.n or 1

    @property
    def parts(self) -> int:
        """How many answers are asked for in all."""
        return self.choices

    @property
    def constrained(self) -> bool:
        """Whether a grammar is asked for."""
        return self.structured_outputs is not None or self.response_format is not None

    @property
    def _binding(self) -> bool:
        """Whether an answer can come to an end by its form."""
        return self.structured_outputs is not None or (self.response_format or PLAIN).type != "text"

    @property
    @abstractmethod
    def characters(self) -> int:
        """The length of all that is asked; a token counts as one."""

    @property
    @abstractmethod
    def told_logprobs(self) -> int | None:
        """How many log-probabilities of each token are asked for, beside its own."""

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
            "stream_options": "needs stream: true" if self.stream_options is not None and not self.stream else None,
            "stream": "a batch has no streams: leave it out" if in_batch and self.stream else None,
            "ignore_eos": "goes not together with a grammar, which ends" if self.ignore_eos and self._binding else None,
        }
        wrong = [name for name in self.logit_bias or () if not (name.isascii() and name.isdecimal() and len(name) < 10)]
        found |= {f"logit_bias.{name}": "a token is named by its number" for name in wrong[:1]}
        errors = [FieldError(field=field, message=message) for field, message in found.items() if message]
        errors += self._errors(limits)
        errors += self._grammar_errors(limits.regex_characters)
        if errors:
            raise invalid(errors)

    @abstractmethod
    def _errors(self, limits: Limits) -> list[FieldError]:
        """What is wrong with the fields that not all requests have."""

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
            for place, schema in self._schemas():
                field = place
                check_schema(schema, longest_regex)
        except ValueError as error:
            errors.append(FieldError(field=field, message=str(error)))
        return errors

    def _schemas(self) -> Iterator[tuple[str, dict[str, Any]]]:
        if isinstance(self.response_format, JsonSchemaFormat):
            yield "response_format.json_schema.schema", self.response_format.json_schema.schema_

    def sampling(self, most: int, seed: int, choice: int) -> SamplingParams:
        """How to decode one of the answers to a prompt, of at most so many tokens; see `request`."""
        bias = {int(name): value for name, value in (self.logit_bias or {}).items() if value}
        return SamplingParams(
            most,
            1.0 if self.temperature is None else self.temperature,
            (seed if self.seed is None else self.seed) + choice,
            (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ()),
            1.0 if self.top_p is None else self.top_p,
            self.frequency_penalty or 0.0,
            self.presence_penalty or 0.0,
            self.told_logprobs,
            top_k=max(0, self.top_k or 0),
            min_p=self.min_p or 0.0,
            repetition_penalty=self.repetition_penalty or 1.0,
            logit_bias=tuple(sorted(bias.items())),
            stop_token_ids=tuple(self.stop_token_ids or ()),
            ignore_eos=bool(self.ignore_eos),
        )

    @abstractmethod
    def request(
        self, model: LoadedModel, name: str, request_id: str, part: int = 0, seed: int = 0
    ) -> GenerationRequest:
        """The call of the model for one of the answers that are asked for.

        Args:
            model: who answers.
            name: what `model` says for it in requests.
            request_id: unique among the requests in flight.
            part: which answer, from 0: all to the first prompt, then all to the next one. Each answer to a prompt is
                drawn with a seed of its own.
            seed: the seed of a request that names none.

        Raises:
            RequestError: 404, there is no such model.
        """

    def body(self, name: str, created: int, completions: Sequence[Completion]) -> dict[str, Any]:
        """All answers, in the order of their parts."""
        choices = [self.choice(index, completion) for index, completion in enumerate(completions)]
        head = {"id": self.prefix + name, "object": self.whole, "created": created, "model": self.model}
        return {**head, "choices": choices, "usage": self.usage(completions)}

    @abstractmethod
    def choice(self, index: int, completion: Completion) -> dict[str, Any]:
        """One answer."""

    @abstractmethod
    def pieces(self, index: int, text: str, ended: Completion | None, *, first: bool) -> Iterator[dict[str, Any]]:
        """The pieces of an answer that a stream sends for some more text, and for its end."""

    def usage(self, completions: Sequence[Completion]) -> Mapping[str, int]:
        """Tokens: a prompt counts once, however many answers it has."""
        prompt = sum(completion.prompt_tokens for completion in completions[:: self.choices])
        output = sum(completion.output_tokens for completion in completions)
        return {"prompt_tokens": prompt, "completion_tokens": output, "total_tokens": prompt + output}


def adapter_of(asked: str | None, model: str, adapters: Collection[str]) -> str | None:
    """The LoRA adapter that a request's `model` stands for, or None for the model itself.

    Raises:
        RequestError: 404, there is neither.
    """
    if asked is None or asked == model:
        return None
    if asked not in adapters:
        message = f"there is no such model, but {', '.join([model, *sorted(adapters)])}"
        raise RequestError(404, "no_such_model", message, [FieldError(field="model", message=message)])
    return asked
