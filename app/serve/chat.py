"""OpenAI-compatible routes: `/v1/models`, `/v1/chat/completions` and `/v1/completions`, whole or piece by piece."""

import asyncio
import json
import logging
import secrets
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from functools import partial
from http import HTTPStatus
from typing import Any, TypeVar

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from app.errors import EngineError
from app.openai.chat import ChatRequest
from app.openai.completions import CompletionRequest
from app.openai.request import ModelRequest, adapter_of
from app.openai.wire import RequestError
from app.serve.problems import document, engine_failed, problem_responses
from app.serve.service import Service, reading_route
from app.serve.waiting import TIMEOUT_PARAMETER, Stream, Tell, deadline, side_by_side, too_late, unless_gone, until
from app.types import Completion, GenerationRequest, Outcome

DONE = "data: [DONE]\n\n"
Piece = tuple[int, str | Completion]
EVENTS = "text/event-stream"
Endpoint = TypeVar("Endpoint", bound=Callable[..., Awaitable[Response]])
log = logging.getLogger(__name__)


def openai_router(service: Service) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["OpenAI-compatible"], route_class=reading_route(service))

    @router.get("/v1/models", summary="List the models", responses=problem_responses(401, 403))
    async def models() -> Response:
        """The model that is served and its LoRA adapters, each by the name to use as `model`."""
        return JSONResponse({"object": "list", "data": _cards(service)})

    @router.get("/v1/models/{model:path}", summary="Tell of one model", responses=problem_responses(401, 403, 404))
    async def one_model(model: str) -> Response:
        """One of the above."""
        adapter_of(model, service.predictor.model_name, service.predictor.engine.adapters)
        return JSONResponse(next(card for card in _cards(service) if card["id"] == model))

    def post(path: str, summary: str) -> Callable[[Endpoint], Endpoint]:
        responses: dict[int | str, dict[str, Any]] = {
            **problem_responses(400, 401, 403, 404, 405, 408, 413, 415, 422, 429, 500, 503, 504),
            200: {
                "description": "The completion, or with `stream` its pieces as server-sent events.",
                "content": {EVENTS: {"schema": {"type": "object", "properties": {"data": {"type": "string"}}}}},
            },
        }
        return router.post(path, summary=summary, openapi_extra=TIMEOUT_PARAMETER, responses=responses)

    async def complete(body: ModelRequest, request: Request) -> Response:
        # A grammar is checked by compiling its expressions.
        characters = None if body.constrained else body.characters
        await service.predictor.apart(partial(body.check, service.settings.chat_limits), characters)
        late = deadline(request, None, service.settings)
        service.admit(request, body.parts)
        count = counting(service, body)
        try:
            if body.stream:
                source = await until(late, unless_gone(request, _stream(service, body)))
                return Stream(_until_late(source, late, count), EVENTS)
            whole = await until(late, unless_gone(request, completion_of(service, body)))
        except (EngineError, RequestError) as error:
            count(error)
            raise
        count(None)
        return JSONResponse(whole)

    @post("/v1/chat/completions", "Complete a conversation")
    async def complete_chat(body: ChatRequest, request: Request) -> Response:
        """A conversation goes to the model as it is; for the competition's questions use `/v1/predict`."""
        return await complete(body, request)

    @post("/v1/completions", "Complete prompts")
    async def complete_prompts(body: CompletionRequest, request: Request) -> Response:
        """Prompts go to the model as they are, without a chat template. With `echo` and `logprobs` they are scored."""
        return await complete(body, request)

    return router


def counting(service: Service, body: ModelRequest) -> Callable[[Exception | None], None]:
    """Count the answers of a request that begins now, once it is known what became of them."""
    started = time.monotonic()

    def count(error: Exception | None) -> None:
        if isinstance(error, RequestError) and error.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            service.metrics.refused(error.code, body.parts)
        else:
            outcome = Outcome.ERROR if error else Outcome.CLEAN
            service.metrics.completed(body.kind, outcome, time.monotonic() - started, body.parts)

    return count


async def _until_late(
    source: AsyncGenerator[str, None], late: float, count: Callable[[Exception | None], None]
) -> AsyncGenerator[str, None]:
    """The stream, ended by an error event where it is late or the engine fails."""
    async with aclosing(source):
        while True:
            problem: RequestError | None = None
            try:
                async with asyncio.timeout_at(late):
                    event = await anext(source, None)
            except TimeoutError:
                problem = too_late()
            except EngineError as error:
                problem = engine_failed(error)
            except RequestError as error:
                problem = error
            if problem is not None or event is None:
                count(problem)
                if problem is not None:
                    yield _error_event(problem)
                return
            yield event


def _error_event(problem: RequestError) -> str:
    """A problem document, whose `error` OpenAI's clients look for in a stream: the status was sent long ago."""
    return f"data: {json.dumps(document(problem))}\n\n"


async def completion_of(service: Service, body: ModelRequest) -> dict[str, Any]:
    """The whole completion, or RequestError or EngineError; cancelling it aborts its requests in the engine."""
    requests = await _requests(service, body)
    if len(requests) == 1:
        completions = [_served(await service.predictor.engine.generate(requests[0]))]
    else:
        found = {index: piece async for index, piece in _pieces(service, requests, whole=True)}
        completions = [_served(found[index]) for index in range(len(requests))]
    _log(service, body, {index: completion.text for index, completion in enumerate(completions)})
    return body.body(secrets.token_hex(12), int(time.time()), completions)


async def _stream(service: Service, body: ModelRequest) -> AsyncGenerator[str, None]:
    """Server-sent events, `[DONE]` the last. The first piece is waited for, so that a refusal still has its status."""
    source = _pieces(service, await _requests(service, body))
    first = await anext(source)
    if isinstance(first[1], Completion):
        _served(first[1])
    return _events(service, body, first, source)


def _cards(service: Service) -> list[dict[str, Any]]:
    """The model and its adapters, by the names to use as `model`."""
    predictor = service.predictor
    card = {"object": "model", "created": service.started, "owned_by": "shopbench"}
    base = {"id": predictor.model_name, **card, "max_model_len": predictor.engine.context_length}
    return [base, *({"id": name, **card, "parent": base["id"]} for name in sorted(predictor.engine.adapters))]


async def _requests(service: Service, body: ModelRequest) -> list[GenerationRequest]:
    """The calls of the model, one an answer. Who names no seed gets another answer each time."""
    predictor, seed = service.predictor, secrets.randbits(32)

    def work() -> list[GenerationRequest]:
        return [body.request(predictor.engine, predictor.model_name, "", part, seed) for part in range(body.parts)]

    return await predictor.apart(work, body.characters)


async def _pieces(
    service: Service, requests: list[GenerationRequest], *, whole: bool = False
) -> AsyncGenerator[Piece, None]:
    """What the engine says of each answer, by its number, as it comes."""
    engine = service.predictor.engine

    async def one(index: int, request: GenerationRequest, tell: Tell[Piece]) -> None:
        if whole:
            tell((index, await engine.generate(request)))
            return
        async with aclosing(engine.stream(request)) as pieces:
            async for piece in pieces:
                tell((index, piece))

    works = [partial(one, index, request) for index, request in enumerate(requests)]
    async with aclosing(side_by_side(works)) as found:
        async for piece in found:
            yield piece


async def _events(
    service: Service, body: ModelRequest, first: Piece, source: AsyncGenerator[Piece, None]
) -> AsyncGenerator[str, None]:
    head = {"id": f"{body.prefix}{secrets.token_hex(12)}", "object": body.piece, "created": int(time.time())}
    told = bool(body.stream_options and body.stream_options.include_usage)

    def event(choices: list[dict[str, Any]], usage: Mapping[str, int] | None = None) -> str:
        chunk = {**head, "model": body.model, "choices": choices} | ({"usage": usage} if told else {})
        return f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n"

    sent: defaultdict[int, str] = defaultdict(str)
    completions: dict[int, Completion] = {}
    try:
        async with aclosing(source):
            async for index, piece in _with_first(first, source):
                begins, ended = index not in sent, None
                text = piece if isinstance(piece, str) else _served(piece).text[len(sent[index]) :]
                sent[index] += text
                if isinstance(piece, Completion):
                    completions[index] = ended = piece
                for choice in body.pieces(index, text, ended, first=begins):
                    yield event([choice])
        if told:
            yield event([], body.usage([completions[index] for index in sorted(completions)]))
        yield DONE
    finally:
        _log(service, body, sent)


async def _with_first(first: Piece, rest: AsyncGenerator[Piece, None]) -> AsyncGenerator[Piece, None]:
    yield first
    async for piece in rest:
        yield piece


def _served(piece: Completion | str) -> Completion:
    if isinstance(piece, str):
        raise TypeError("a completion is whole")
    if piece.error is not None:
        # Numbers that are none are no fault of the request's, and trying again does not help.
        status = 500 if piece.error.code == "not_finite" else 422
        raise RequestError(status, piece.error.code, piece.error.message)
    return piece


def _log(service: Service, body: ModelRequest, answers: Mapping[int, str]) -> None:
    if service.settings.log_prompts:
        asked = body.model_dump(mode="json", exclude_none=True, exclude_unset=True, include={"messages", "prompt"})
        log.info("completed", extra={**asked, "answers": [answers[index] for index in sorted(answers)]})
