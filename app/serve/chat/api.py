"""OpenAI-compatible routes: `/v1/models` and `/v1/chat/completions`."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from app.errors import EngineError
from app.openai.chat import ChatRequest, adapter_of
from app.openai.wire import RequestError
from app.serve.chat import service as chat
from app.serve.problems import REQUEST_ID, engine_failed, problem_responses
from app.serve.service import Service
from app.serve.waiting import TIMEOUT_PARAMETER, Stream, deadline, too_late, unless_gone, until

EVENTS = "text/event-stream"


def openai_router(service: Service) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["OpenAI-compatible"])

    @router.get("/v1/models", summary="List the models", responses=problem_responses(401, 403))
    async def models() -> Response:
        """The model that is served and its LoRA adapters, each by the name to use as `model`."""
        return JSONResponse({"object": "list", "data": chat.models(service)})

    @router.get("/v1/models/{model:path}", summary="Tell of one model", responses=problem_responses(401, 403, 404))
    async def one_model(model: str) -> Response:
        """One of the above."""
        adapter_of(model, service.predictor.model_name, service.predictor.engine.adapters)
        return JSONResponse(next(card for card in chat.models(service) if card["id"] == model))

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
        body.check(service.settings.chat_limits)
        late = deadline(request, None, service.settings)
        service.admit(request, body.choices)
        if body.stream:
            source = await until(late, unless_gone(request, chat.stream(service, body)))
            return Stream(_events(source, late), EVENTS)
        return JSONResponse(await until(late, unless_gone(request, chat.complete(service, body))))

    return router


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
            except RequestError as refusal:
                yield _error_event(refusal)
                return
            if event is None:
                return
            yield event


def _error_event(problem: RequestError) -> str:
    """An error as OpenAI's clients look for it in a stream, whose status was sent long ago."""
    error = {"message": problem.detail, "type": problem.code, "code": problem.status, "request_id": REQUEST_ID.get()}
    return f"data: {json.dumps({'error': error})}\n\n"
