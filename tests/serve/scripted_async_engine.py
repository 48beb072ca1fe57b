"""An asynchronous engine that says what a test tells it to: for faults, order and timing, never in place of a model."""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

from app.errors import EngineError
from app.types import Choice, Completion, GenerationRequest, Message


async def first_label(request: GenerationRequest) -> str:
    return request.constraint.labels[0] if isinstance(request.constraint, Choice) else "some words"


class ScriptedAsyncEngine:
    """Answers each request with `await script(request)`."""

    name = "scripted"
    version = "0"
    model = "none"

    def __init__(
        self, script: Callable[[GenerationRequest], Awaitable[str]] = first_label, *, context_length: int = 4096
    ) -> None:
        self.script = script
        self.context_length = context_length
        self.adapters: dict[str, object] = {"coral": None}
        self.alive = True
        self.last_heard = 0.0
        self.hanging = False
        self.probes = 0
        self.asked: list[GenerationRequest] = []
        self.aborted: list[GenerationRequest] = []

    def count_tokens(self, messages: Sequence[Message], tools: str = "") -> int:
        """A token a character."""
        return len(tools) + sum(len(message.content) for message in messages)

    async def generate(self, request: GenerationRequest) -> Completion:
        self.asked.append(request)
        try:
            text = await self.script(request)
        except asyncio.CancelledError:
            self.aborted.append(request)
            raise
        logprobs = dict.fromkeys(request.constraint.labels, -1.0) if isinstance(request.constraint, Choice) else None
        return Completion(request.id, text, "stop", 1, 1, logprobs)

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[str | Completion, None]:
        completion = await self.generate(request)
        for word in re.findall(r"\S+\s*", completion.text):
            yield word
        yield completion

    async def probe(self) -> None:
        self.probes += 1
        if not self.alive:
            raise EngineError("dead")
        while self.hanging:
            await asyncio.sleep(0.01)
        self.last_heard = time.monotonic()

    def close(self) -> None:
        self.alive = False
