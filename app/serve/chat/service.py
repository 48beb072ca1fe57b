"""Conversations answered by the engine as they are: whole, or piece by piece."""

import json
import logging
import secrets
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Any

from app.openai.chat import ChatRequest, completion_body, generation_request, logprobs_body, usage_body
from app.openai.wire import RequestError
from app.serve.service import Service
from app.serve.waiting import Tell, side_by_side
from app.types import Completion, GenerationRequest

DONE = "data: [DONE]\n\n"
Piece = tuple[int, str | Completion]
log = logging.getLogger(__name__)


async def complete(service: Service, body: ChatRequest) -> dict[str, Any]:
    """The whole completion; cancelling it aborts its requests in the engine.

    Raises:
        RequestError: the request cannot be served.
        EngineError: the engine failed.
    """
    requests = await _requests(service, body)
    if len(requests) == 1:
        completions = [_served(await service.predictor.engine.generate(requests[0]))]
    else:
        found = {index: piece async for index, piece in _pieces(service, requests, whole=True)}
        completions = [_served(found[index]) for index in range(len(requests))]
    _log(service, body, {index: completion.text for index, completion in enumerate(completions)})
    return completion_body(secrets.token_hex(12), int(time.time()), body.model, completions)


async def stream(service: Service, body: ChatRequest) -> AsyncGenerator[str, None]:
    """Server-sent events, the last one `[DONE]`. The first piece is waited for, so that a refusal still has its status.

    Raises:
        RequestError: the request cannot be served.
        EngineError: the engine failed; as the refusal of one answer of many, also between two events.
    """
    source = _pieces(service, await _requests(service, body))
    first = await anext(source)
    if isinstance(first[1], Completion):
        _served(first[1])
    return _events(service, body, first, source)


def models(service: Service) -> list[dict[str, Any]]:
    """The model and its adapters, by the names to use as `model`."""
    predictor = service.predictor
    card = {"object": "model", "created": service.started, "owned_by": "shopbench"}
    base = {"id": predictor.model_name, **card, "max_model_len": predictor.engine.context_length}
    return [base, *({"id": name, **card, "parent": base["id"]} for name in sorted(predictor.engine.adapters))]


async def _requests(service: Service, body: ChatRequest) -> list[GenerationRequest]:
    """The calls of the model, one an answer. Who names no seed gets another answer each time."""
    predictor = service.predictor
    work = partial(generation_request, body, predictor.engine, predictor.model_name, "", seed=secrets.randbits(32))
    first = await predictor.apart(work, body.characters)
    sampling = first.sampling
    return [replace(first, sampling=replace(sampling, seed=sampling.seed + choice)) for choice in range(body.choices)]


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
    service: Service, body: ChatRequest, first: Piece, source: AsyncGenerator[Piece, None]
) -> AsyncGenerator[str, None]:
    head = {"id": f"chatcmpl-{secrets.token_hex(12)}", "object": "chat.completion.chunk", "created": int(time.time())}
    told = bool(body.stream_options and body.stream_options.include_usage)

    def event(choices: list[dict[str, Any]], usage: Mapping[str, int] | None = None) -> str:
        chunk = {**head, "model": body.model, "choices": choices} | ({"usage": usage} if told else {})
        return f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n"

    sent: defaultdict[int, str] = defaultdict(str)
    completions: list[Completion] = []
    try:
        async with aclosing(source):
            async for index, piece in _with_first(first, source):
                choice: dict[str, Any] = {"index": index, "delta": {}, "logprobs": None, "finish_reason": None}
                if index not in sent:
                    yield event([{**choice, "delta": {"role": "assistant", "content": ""}}])
                text = piece if isinstance(piece, str) else _served(piece).text[len(sent[index]) :]
                sent[index] += text
                if isinstance(piece, Completion):
                    completions.append(piece)
                    # The log-probabilities of all tokens come with the end.
                    choice["logprobs"] = logprobs_body(piece)
                if text or choice["logprobs"]:
                    yield event([{**choice, "delta": {"content": text}}])
                if isinstance(piece, Completion):
                    yield event([{**choice, "logprobs": None, "finish_reason": piece.finish_reason}])
        if told:
            yield event([], usage_body(completions))
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
        raise RequestError(422, piece.error.code, piece.error.message)
    return piece


def _log(service: Service, body: ChatRequest, answers: Mapping[int, str]) -> None:
    if service.settings.log_prompts:
        messages = [turn.model_dump(mode="json", exclude_none=True) for turn in body.messages]
        log.info("completed", extra={"messages": messages, "answers": [answers[index] for index in sorted(answers)]})
