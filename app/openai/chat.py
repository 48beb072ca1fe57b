"""Chat completions of OpenAI's interface, as far as they have a meaning here: the same in a file, a batch and online.

Tools are served as vLLM's server does by default: a function that is named, or one of several that must be called, is
a constraint on the answer. Whether to call one at all (`auto`) would have to be read out of what a model writes, in a
form that each family of models has for itself.
"""

import json
from collections.abc import Iterator
from functools import cached_property
from hashlib import blake2b
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, ConfigDict, Field

from app.engines.base import LoadedModel
from app.errors import EngineError
from app.openai.request import Limits, ModelRequest, adapter_of
from app.openai.wire import FieldError, Refusing, ShortText, Text
from app.types import Completion, GenerationRequest, JsonSchema, Message, Regex


class TextPart(Refusing):
    """A part of a message; there are no others than text."""

    type: Literal["text"]
    text: Text


def _check_arguments(text: str) -> str:
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError) as error:
        raise ValueError("not JSON") from error
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004  # pydantic takes no other
    return text


class CalledFunction(Refusing):
    """A function's name, and its arguments as JSON."""

    name: ShortText
    arguments: Annotated[Text, AfterValidator(_check_arguments)]


class ToolCall(Refusing):
    """A call that the assistant made, as it came."""

    id: ShortText
    type: Literal["function"] = "function"
    function: CalledFunction
    index: int | None = None


class ChatTurn(Refusing):
    """One turn, an answer too as it came. A developer's is the system's by its newer name."""

    role: Annotated[
        Literal["system", "developer", "user", "assistant", "tool"],
        AfterValidator(lambda role: "system" if role == "developer" else role),
    ]
    content: Text | Annotated[list[TextPart], Field(min_length=1, max_length=64)] = Field(
        "", description="May be null in an assistant's turn only."
    )
    name: ShortText | None = None
    tool_calls: list[ToolCall] | None = Field(None, max_length=64)
    tool_call_id: ShortText | None = None
    annotations: Annotated[list[Any], Field(max_length=0)] | None = None

    @property
    def text(self) -> str:
        """The whole turn; its parts are lines, as vLLM joins them."""
        return self.content if isinstance(self.content, str) else "\n".join(part.text for part in self.content)

    @property
    def calls(self) -> str:
        """The turn's calls as JSON, their arguments read; empty where there are none."""
        if not self.tool_calls:
            return ""
        calls = [call.model_dump(exclude={"index"}) for call in self.tool_calls]
        for call in calls:
            call["function"]["arguments"] = json.loads(call["function"]["arguments"] or "{}")
        return json.dumps(calls)

    def fault(self) -> tuple[str, str] | None:
        """The field that is wrong for this role, and why."""
        if self.role != "assistant" and "content" not in self.model_fields_set:
            return "content", "field required"
        if self.tool_calls and self.role != "assistant":
            return "tool_calls", "only the assistant calls"
        if (self.tool_call_id is None) == (self.role == "tool"):
            return "tool_call_id", "belongs to the role tool, which needs it"
        return None


_OPEN = {
    "additionalProperties",
    "unevaluatedProperties",
    "patternProperties",
    "anyOf",
    "oneOf",
    "$ref",
    "enum",
    "const",
}
"""What may say more of an object's parts than their names."""


def _closed(schema: object) -> Any:  # noqa: ANN401  # a schema is JSON
    """A schema whose objects, where they name their parts and say nothing of others, have no others."""
    if not isinstance(schema, dict):
        return schema
    made = {**schema}
    for name in ("properties", "$defs", "definitions"):
        if isinstance(inner := schema.get(name), dict):
            made[name] = {part: _closed(value) for part, value in inner.items()}
    for name in ("anyOf", "oneOf", "prefixItems"):
        if isinstance(inner := schema.get(name), list):
            made[name] = [_closed(value) for value in inner]
    if "items" in schema:
        made["items"] = _closed(schema["items"])
    if "properties" in schema and not _OPEN & schema.keys():
        made["additionalProperties"] = False
    return made


class Function(Refusing):
    """What a tool does, for the model to read, and a schema of its arguments."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
    description: Text | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)
    strict: bool | None = None

    @property
    def schema_(self) -> dict[str, Any]:
        """Of the arguments: those that are named and no others, as with vLLM; small models would go on naming some."""
        schema = {"type": "object"} | (self.parameters or {"properties": {}})
        # Where schemas add up, what one says nothing about another may name.
        return schema if '"allOf"' in json.dumps(schema) else _closed(schema)


class Tool(Refusing):
    """A function; there are no other tools."""

    type: Literal["function"]
    function: Function


class NamedFunction(Refusing):
    """A function by its name."""

    name: ShortText


class NamedTool(Refusing):
    """The tool to call."""

    type: Literal["function"] = "function"
    function: NamedFunction


class ChatRequest(ModelRequest):
    """A conversation that goes to the model as it is: not routed, constrained only as the request says."""

    kind: ClassVar[str] = "chat"
    prefix: ClassVar[str] = "chatcmpl-"
    whole: ClassVar[str] = "chat.completion"
    piece: ClassVar[str] = "chat.completion.chunk"
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

    messages: list[ChatTurn] = Field(min_length=1, max_length=256)
    max_completion_tokens: int | None = Field(None, ge=1)
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=20)
    tools: list[Tool] | None = Field(None, max_length=64)
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = None
    parallel_tool_calls: bool | None = None

    store: Literal[False] | None = None
    service_tier: Literal["auto", "default"] | None = None
    modalities: list[Literal["text"]] | None = Field(None, max_length=1)
    verbosity: Literal["medium"] | None = None
    prompt_cache_key: ShortText | None = None
    safety_identifier: ShortText | None = None
    metadata: dict[ShortText, Text] | None = Field(None, max_length=16)
    functions: Annotated[list[Any], Field(max_length=0)] | None = None
    function_call: Literal["none", "auto"] | None = None
    add_generation_prompt: Literal[True] | None = None
    continue_final_message: Literal[False] | None = None
    add_special_tokens: Literal[False] | None = None
    echo: Literal[False] | None = None
    chat_template_kwargs: Annotated[dict[str, Any], Field(max_length=0)] | None = None

    @property
    def constrained(self) -> bool:
        """Whether a grammar is asked for."""
        return super().constrained or bool(self.tools)

    @cached_property
    def characters(self) -> int:
        """The length of all messages together, and of the tools."""
        return len(self._tools) + sum(len(turn.text) + len(turn.calls) for turn in self.messages)

    @property
    def told_logprobs(self) -> int | None:
        """How many log-probabilities of each token are asked for, beside its own."""
        return (self.top_logprobs or 0) if self.logprobs else None

    @cached_property
    def turns(self) -> tuple[Message, ...]:
        """The conversation as engines take it."""
        return tuple(
            Message(turn.role, turn.text, turn.name, turn.calls, turn.tool_call_id or "")  # type: ignore[arg-type]  # a developer's became the system's
            for turn in self.messages
        )

    @cached_property
    def constraint(self) -> Regex | JsonSchema | None:
        """What the answer must look like."""
        if not self._calling:
            return super().constraint
        return JsonSchema(json.dumps(self._call_schema))

    @property
    def _tools(self) -> str:
        """The tools as JSON, as the chat template shows them; empty where there are none."""
        return json.dumps([tool.model_dump(exclude_none=True) for tool in self.tools]) if self.tools else ""

    @property
    def _named(self) -> Function | None:
        """The function that must be called."""
        if not isinstance(self.tool_choice, NamedTool):
            return None
        wanted = self.tool_choice.function.name
        return next((tool.function for tool in self.tools or () if tool.function.name == wanted), None)

    @property
    def _calling(self) -> bool:
        """Whether the answer is a call."""
        return bool(self.tools) and self.tool_choice not in (None, "none", "auto")

    @property
    def _binding(self) -> bool:
        """Whether an answer can come to an end by its form."""
        return super()._binding or self._calling

    @property
    def _call_schema(self) -> dict[str, Any]:
        """Of the arguments of the one function, or of a list of calls. Definitions stand where references find them."""
        if self._named is not None:
            return self._named.schema_
        kinds, definitions = [], dict[str, Any]()
        for tool in self.tools or ():
            schema = dict(tool.function.schema_)
            for name in ("$defs", "definitions"):
                inner = schema.pop(name, None)
                definitions[name] = definitions.get(name, {}) | (inner if isinstance(inner, dict) else {})
            call = {"name": {"const": tool.function.name}, "parameters": schema}
            kinds.append({"type": "object", "properties": call, "required": [*call], "additionalProperties": False})
        found = {"type": "array", "minItems": 1, "items": {"anyOf": kinds}}
        if self.parallel_tool_calls is False:
            found["maxItems"] = 1
        return found | {name: inner for name, inner in definitions.items() if inner}

    def _defined_twice(self) -> str | None:
        """A definition that one grammar for all tools cannot have."""
        known: dict[str, Any] = {}
        for tool in () if self._named else self.tools or ():
            for place in ("$defs", "definitions"):
                inner = tool.function.parameters.get(place)
                for name, schema in inner.items() if isinstance(inner, dict) else ():
                    if known.setdefault(f"{place}/{name}", schema) != schema:
                        return f"{place}/{name}"
        return None

    def _errors(self, limits: Limits) -> list[FieldError]:
        named = isinstance(self.tool_choice, NamedTool)
        names = [tool.function.name for tool in self.tools or ()]
        found = {
            "top_logprobs": "needs logprobs: true" if self.top_logprobs and not self.logprobs else None,
            "tools": "two have the same name" if len(set(names)) < len(names) else None,
        }
        if self.tools and self.tool_choice in (None, "auto"):
            found["tool_choice"] = "auto is not served: name a function, or say required or none"
        elif (named or self.tool_choice == "required") and not self.tools:
            found["tool_choice"] = "needs tools"
        elif named and self._named is None:
            found["tool_choice.function.name"] = "there is no such tool"
        elif self._calling and (twice := self._defined_twice()):
            found["tools"] = f"two define {twice!r} in different ways: rename one"
        elif self._calling and super()._binding:
            found["tool_choice"] = "goes not together with response_format or structured_outputs"
        for number, tool in enumerate(self.tools or ()):
            if tool.function.schema_["type"] != "object":
                found[f"tools.{number}.function.parameters"] = "the type must be object"
        for number, turn in enumerate(self.messages):
            if fault := turn.fault():
                found[f"messages.{number}.{fault[0]}"] = fault[1]
        if limits.prompt_characters is not None and self.characters > limits.prompt_characters:
            found["messages"] = f"longer than {limits.prompt_characters} characters in all: shorten them"
        return [FieldError(field=field, message=message) for field, message in found.items() if message]

    def _schemas(self) -> Iterator[tuple[str, dict[str, Any]]]:
        yield from super()._schemas()
        for number, tool in enumerate(self.tools or ()):
            yield f"tools.{number}.function.parameters", tool.function.schema_
        if self._calling:
            yield "tools", self._call_schema

    def request(
        self, model: LoadedModel, name: str, request_id: str, part: int = 0, seed: int = 0
    ) -> GenerationRequest:
        """The call of the model for one of the answers that are asked for, see there."""
        adapter = adapter_of(self.model, name, model.adapters)
        most = self.max_completion_tokens or self.max_tokens
        if most is None:
            try:
                most = max(1, model.context_length - model.count_tokens(self.turns, self._tools))
            except EngineError:
                # The engine says why, and refuses this request alone.
                most = 1
        sampling = self.sampling(most, seed, part)
        return GenerationRequest(request_id, self.turns, sampling, self.constraint, adapter, tools=self._tools)

    def choice(self, index: int, completion: Completion) -> dict[str, Any]:
        """One answer."""
        message: dict[str, Any] = {"role": "assistant", "content": completion.text, "refusal": None}
        calls = self._calls(index, completion)
        if calls:
            message |= {"content": None, "tool_calls": calls}
        return {
            "index": index,
            "message": message,
            "logprobs": _logprobs(completion),
            "finish_reason": self._reason(completion, calls),
        }

    def pieces(self, index: int, text: str, ended: Completion | None, *, first: bool) -> Iterator[dict[str, Any]]:
        """The pieces of an answer that a stream sends for some more text, and for its end."""
        choice: dict[str, Any] = {"index": index, "delta": {}, "logprobs": None, "finish_reason": None}
        if first:
            yield {**choice, "delta": {"role": "assistant", "content": None if self._calling else ""}}
        calls = self._calls(index, ended) if ended else []
        if self._calling:
            # Sent whole: only then is it known to be a call.
            text = ended.text if ended else ""
        # The log-probabilities of all tokens come with the end.
        logprobs = _logprobs(ended) if ended else None
        delta: dict[str, Any] = {"content": text}
        if calls:
            delta = {"tool_calls": [{"index": number, **call} for number, call in enumerate(calls)]}
        if calls or logprobs or text:
            yield {**choice, "delta": delta, "logprobs": logprobs}
        if ended:
            yield {**choice, "finish_reason": self._reason(ended, calls)}

    def _calls(self, index: int, completion: Completion) -> list[dict[str, Any]]:
        """The calls that the answer makes; none where it was asked for none, or was cut short among several."""
        if not self._calling:
            return []
        if self._named is not None:
            found = [(self._named.name, completion.text)]
        elif completion.finish_reason != "stop":
            return []
        else:
            found = [(call["name"], json.dumps(call["parameters"])) for call in json.loads(completion.text)]
        return [
            {
                # Not drawn at random: in a file, the same run writes the same bytes.
                "id": f"call_{blake2b(f'{len(self.messages)} {index} {number}'.encode(), digest_size=12).hexdigest()}",
                "type": "function",
                "function": {"name": name, "arguments": arguments},
            }
            for number, (name, arguments) in enumerate(found)
        ]

    def _reason(self, completion: Completion, calls: list[dict[str, Any]]) -> str:
        """As with OpenAI: a function that was named is no choice of the model's."""
        return "tool_calls" if calls and self._named is None else completion.finish_reason


def _logprobs(completion: Completion) -> dict[str, Any] | None:
    """The tokens' log-probabilities, where they were asked for."""
    return None if completion.logprobs is None else {"content": list(completion.logprobs), "refusal": None}
