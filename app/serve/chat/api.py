"""OpenAI-compatible routes: `/v1/models` and `/v1/chat/completions`."""

import asyncio
import json
import logging
import re
from collections import defaultdict
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Any, Protocol

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from app.errors import EngineError
from app.serve.chat.wire import ChatRequest, JsonSchemaFormat
from app.serve.problems import REQUEST_ID, FieldError, ProblemError, engine_failed, problem_responses
from app.serve.server_settings import ServerSettings
from app.serve.service import Service, no_such_model
from app.serve.waiting import TIMEOUT_PARAMETER, Stream, deadline, too_late, unless_gone, until

EVENT = "data: {"
log = logging.getLogger(__name__)


def log_completion(body: ChatRequest, completion: dict[str, Any]) -> None:
    """One line for a conversation and the texts of its choices."""
    _log(body, [choice.get("message", {}).get("content") for choice in completion.get("choices", [])])


async def logged_stream(body: ChatRequest, source: AsyncGenerator[str, None]) -> AsyncGenerator[str, None]:
    """The same events; a line at their end, however it comes, with what was sent until then."""
    texts: defaultdict[int, str] = defaultdict(str)
    try:
        async with aclosing(source):
            async for event in source:
                if event.startswith(EVENT):
                    for choice in json.loads(event.removeprefix("data: ")).get("choices", []):
                        texts[choice["index"]] += choice["delta"].get("content") or ""
                yield event
    finally:
        _log(body, [texts[index] for index in sorted(texts)])


def _log(body: ChatRequest, answers: list[str | None]) -> None:
    messages = [turn.model_dump(mode="json", exclude_none=True) for turn in body.messages]
    log.info("completed", extra={"messages": messages, "answers": answers})


MAX_DEPTH = 16
MAX_NODES = 1000
MAX_CHARACTERS = 32_768
"""Of a schema as JSON: names and constants are part of the grammar."""
MAX_REPEATS = 1000
"""Of a regular expression's bounded repetitions multiplied, and of a schema's lengths each."""
MAX_REPEATS_IN_ALL = 10_000
"""Of a schema's patterns and lengths together. Compiling takes about a second then; it grows with the sum, and
arrays in arrays cost no more than arrays side by side (xgrammar 0.2.8)."""

_ESCAPED = re.compile(r"\\.", re.DOTALL)
_BOUNDED = re.compile(r"\{(\d*)(?:,(\d*))?\}")
_COUNTS = frozenset({"minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"})


def check_regex(pattern: str, longest: int) -> int:
    """How often it repeats at most; refuse what is too long, no regular expression, or repeats too much.

    Raises:
        ValueError: why, in one line.
    """
    if len(pattern) > longest:
        raise ValueError(f"a regular expression may have {longest} characters at most")
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"not a regular expression: {error}") from error
    repeats = 1
    # An escaped backslash before a brace escapes no brace.
    for low, high in _BOUNDED.findall(_ESCAPED.sub("_", pattern)):
        repeats *= max(1, *(int(bound) for bound in (low, high) if bound)) if low or high else 1
    if repeats > MAX_REPEATS:
        raise ValueError(f"its bounded repetitions multiply to {repeats}; {MAX_REPEATS} at most")
    return repeats


def check_schema(schema: dict[str, Any], longest_regex: int) -> None:
    """Refuse a JSON schema that is too large, too deep, repeats too much, or asks for something elsewhere.

    Raises:
        ValueError: why, in one line.
    """
    repeats = 0
    for nodes, (node, depth) in enumerate(_walk(schema), start=1):
        if depth > MAX_DEPTH or nodes > MAX_NODES:
            raise ValueError(f"a schema may have {MAX_NODES} values, {MAX_DEPTH} deep, at most")
        if isinstance(node, dict):
            repeats += _repeats(node, longest_regex)
    if repeats > MAX_REPEATS_IN_ALL:
        raise ValueError(f"its patterns and lengths add up to {repeats}; {MAX_REPEATS_IN_ALL} at most")
    if len(json.dumps(schema)) > MAX_CHARACTERS:
        raise ValueError(f"a schema may have {MAX_CHARACTERS} characters at most")


def _walk(schema: object) -> Iterator[tuple[object, int]]:
    waiting: list[tuple[object, int]] = [(schema, 1)]
    while waiting:
        node, depth = waiting.pop()
        yield node, depth
        inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
        waiting.extend((part, depth + 1) for part in inner)


def _repeats(node: dict[str, Any], longest_regex: int) -> int:
    reference = node.get("$ref")
    if isinstance(reference, str) and not reference.startswith("#"):
        raise ValueError("a schema may refer to itself only ($ref that begins with #)")
    named = node.get("patternProperties")
    patterns = [node.get("pattern"), *(named if isinstance(named, dict) else ())]
    repeats = sum(check_regex(pattern, longest_regex) for pattern in patterns if isinstance(pattern, str))
    for name in _COUNTS & node.keys():
        count = node[name]
        if isinstance(count, float) or (isinstance(count, int) and count > MAX_REPEATS):
            raise ValueError(f"{name} may be a whole number of {MAX_REPEATS} at most")
        repeats += max(0, count) if isinstance(count, int) else 0
    return repeats


EVENTS = "text/event-stream"


class Chat(Protocol):
    """Who answers conversations."""

    async def complete(self, body: ChatRequest) -> dict[str, Any]:
        """The whole completion.

        Raises:
            ProblemError: the request cannot be served.
            EngineError: the engine failed.
        """
        ...

    async def stream(self, body: ChatRequest) -> AsyncGenerator[str, None]:
        """Server-sent events, the last one `[DONE]`; raises as `complete`, before the first or between two."""
        ...

    async def models(self) -> list[dict[str, Any]]:
        """The model and its adapters."""
        ...


def openai_router(service: Service, chat: Chat) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["OpenAI-compatible"])

    @router.get("/v1/models", summary="List the models", responses=problem_responses(401, 403))
    async def models() -> Response:
        """The model that is served and its LoRA adapters, each by the name to use as `model`."""
        return JSONResponse({"object": "list", "data": await chat.models()})

    @router.get("/v1/models/{model:path}", summary="Tell of one model", responses=problem_responses(401, 403, 404))
    async def one_model(model: str) -> Response:
        """One of the above."""
        found = next((card for card in await chat.models() if card["id"] == model), None)
        if found is None:
            raise no_such_model()
        return JSONResponse(found)

    @router.post(
        "/v1/chat/completions",
        summary="Complete a conversation",
        openapi_extra=TIMEOUT_PARAMETER,
        responses={
            **problem_responses(400, 401, 403, 404, 405, 408, 413, 415, 422, 429, 500, 503, 504),
            200: {
                "description": "The completion, or with `stream` its pieces as server-sent events.",
                "content": {EVENTS: {"schema": {"type": "object", "properties": {"data": {"type": "string"}}}}},
            },
        },
    )
    async def complete(body: ChatRequest, request: Request) -> Response:
        """A conversation goes to the model as it is; for the competition's questions use `/v1/predict`."""
        check_limits(body, service.settings)
        late = deadline(request, None, service.settings)
        service.admit(request, body.n or 1)
        if body.stream:
            source = await until(late, unless_gone(request, chat.stream(body)))
            if service.settings.log_prompts:
                source = logged_stream(body, source)
            return Stream(_events(source, late), EVENTS)
        completion = await until(late, unless_gone(request, chat.complete(body)))
        if service.settings.log_prompts:
            log_completion(body, completion)
        return JSONResponse(completion)

    return router


def check_limits(body: ChatRequest, settings: ServerSettings) -> None:
    """What the shape of a request cannot say.

    Raises:
        ProblemError: 422, with every field that is wrong.
    """
    errors = []
    if (body.n or 1) > settings.max_choices:
        errors.append(FieldError(field="n", message=f"at most {settings.max_choices}"))
    if body.top_logprobs and not body.logprobs:
        errors.append(FieldError(field="top_logprobs", message="needs logprobs: true"))
    if body.stream_options is not None and not body.stream:
        errors.append(FieldError(field="stream_options", message="needs stream: true"))
    if sum(_length(turn.content) for turn in body.messages) > settings.max_prompt_characters:
        message = f"longer than {settings.max_prompt_characters} characters in all: shorten them"
        errors.append(FieldError(field="messages", message=message))
    errors += _grammar_errors(body, settings)
    if errors:
        detail = f"{errors[0].field}: {errors[0].message}"
        raise ProblemError(422, "invalid_request", detail, errors=errors)


def _length(content: Any) -> int:  # noqa: ANN401  # as the schema has it
    return len(content) if isinstance(content, str) else sum(len(part.text) for part in content)


def _grammar_errors(body: ChatRequest, settings: ServerSettings) -> list[FieldError]:
    errors = []
    outputs = body.structured_outputs
    if outputs is not None:
        if (outputs.regex is None) == (outputs.choice is None):
            errors.append(FieldError(field="structured_outputs", message="give either regex or choice"))
        if body.response_format is not None:
            errors.append(FieldError(field="structured_outputs", message="goes not together with response_format"))
        if outputs.regex is not None:
            errors += _refused("structured_outputs.regex", check_regex, outputs.regex, settings)
    if isinstance(body.response_format, JsonSchemaFormat):
        schema = body.response_format.json_schema.schema_
        errors += _refused("response_format.json_schema.schema", check_schema, schema, settings)
    return errors


def _refused(field: str, check: Any, value: object, settings: ServerSettings) -> list[FieldError]:  # noqa: ANN401  # any check
    try:
        check(value, settings.max_regex_characters)
    except ValueError as error:
        return [FieldError(field=field, message=str(error))]
    return []


async def _events(source: AsyncGenerator[str, None], late: float) -> AsyncGenerator[str, None]:
    """The stream, ended by an error event where it is late or the engine fails."""
    async with aclosing(source):
        while True:
            try:
                async with asyncio.timeout_at(late):
                    event = await anext(source, None)
            except TimeoutError:
                yield _error_event(too_late())
                return
            except EngineError as error:
                yield _error_event(engine_failed(error))
                return
            except ProblemError as problem:
                yield _error_event(problem)
                return
            if event is None:
                return
            yield event


def _error_event(problem: ProblemError) -> str:
    """An error as OpenAI's clients look for it in a stream, whose status was sent long ago."""
    error = {"message": problem.detail, "type": problem.code, "code": problem.status, "request_id": REQUEST_ID.get()}
    return f"data: {json.dumps({'error': error})}\n\n"
