"""Conversations and their completions in the log, where the settings ask for it."""

import json
import logging
from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from app.serving.openai_schemas import ChatRequest

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
