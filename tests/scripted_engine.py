"""An engine that says what a test tells it to: for faults, order and timing, never in place of a model."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from app.engines.base import never
from app.types import Completion, GenerationRequest, Message


class ScriptedEngine:
    """Answers each request with `script(request)`, `room` at a time, in reverse order of asking."""

    name = "scripted"
    version = "0"
    model = "none"
    dtype = "float32"
    adapters = ("coral",)

    def __init__(
        self,
        script: Callable[[GenerationRequest], str],
        *,
        context_length: int = 4096,
        room: int = 4,
    ) -> None:
        self.script = script
        self.context_length = context_length
        self.room = room
        self.pulled = 0
        self.asked: list[GenerationRequest] = []
        self.closed = False

    def count_tokens(self, messages: Sequence[Message], tools: str = "") -> int:
        """A token a character."""
        return len(tools) + sum(len(message.content) for message in messages)

    def generate(
        self, requests: Iterable[GenerationRequest | None], give_up: Callable[[], bool] = never
    ) -> Iterator[Completion]:
        del give_up
        waiting: list[GenerationRequest] = []
        for request in requests:
            if request is None:
                yield from self._answer(waiting)
                continue
            self.pulled += 1
            self.asked.append(request)
            waiting.append(request)
            if len(waiting) == self.room:
                yield from self._answer(waiting)
        yield from self._answer(waiting)

    def close(self) -> None:
        self.closed = True

    def _answer(self, waiting: list[GenerationRequest]) -> Iterator[Completion]:
        while waiting:
            request = waiting.pop()
            text = self.script(request)
            yield Completion(request.id, text, "stop", self.count_tokens(request.messages), len(text))
