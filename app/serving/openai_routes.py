"""OpenAI-compatible routes: `/v1/models` and `/v1/chat/completions`."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Protocol

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from app.errors import EngineError
from app.serving.chat_log import log_completion, logged_stream
from app.serving.grammar_limits import check_regex, check_schema
from app.serving.openai_schemas import ChatRequest, JsonSchemaFormat
from app.serving.problems import FieldError, ProblemError, engine_failed, problem_responses
from app.serving.request_id import REQUEST_ID
from app.serving.service import Service, no_such_model
from app.serving.settings import ServerSettings
from app.serving.waiting import TIMEOUT_PARAMETER, Stream, deadline, too_late, unless_gone, until

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
