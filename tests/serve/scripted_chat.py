"""A protocol layer that answers every conversation alike."""

from collections.abc import AsyncGenerator
from typing import Any

from app.serve.chat.wire import ChatRequest


class ScriptedChat:
    """As `Chat`, without vLLM."""

    async def complete(self, body: ChatRequest) -> dict[str, Any]:
        return {"object": "chat.completion", "model": body.model, "choices": []}

    async def stream(self, body: ChatRequest) -> AsyncGenerator[str, None]:
        async def events() -> AsyncGenerator[str, None]:
            yield f"data: {body.n}\n\n"

        return events()

    async def models(self) -> list[dict[str, Any]]:
        return [{"id": "scripted", "object": "model"}]
