"""An engine that takes time as a real one does: step by step, a token a step for each request in flight."""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from math import log

from app.engines.base import never, pull
from app.types import Choice, Completion, Copy, GenerationRequest, Message, Selection


class FakeClock:
    """A clock that only moves when somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


class SteppedEngine:
    """Continuous batching with `room` places. Answers depend on the request alone, not on its company."""

    name = "stepped"
    model = "stepped"
    dtype = "float32"
    adapters = ("coral",)
    context_length = 4096

    def __init__(
        self,
        *,
        room: int = 8,
        step_seconds: float = 0.0,
        text_tokens: int = 40,
        wait: Callable[[float], None] = time.sleep,
        on_request: Callable[[GenerationRequest], None] | None = None,
        version: str = "1",
    ) -> None:
        self.room = room
        self.step_seconds = step_seconds
        self.text_tokens = text_tokens
        self.wait = wait
        self.on_request = on_request
        self.version = version
        self.asked: list[GenerationRequest] = []
        self.steps = 0
        self.closed = False

    def count_tokens(self, messages: Sequence[Message], tools: str = "") -> int:
        return (len(tools) + sum(len(message.content) for message in messages)) // 4

    def generate(
        self, requests: Iterable[GenerationRequest | None], give_up: Callable[[], bool] = never
    ) -> Iterator[Completion]:
        source = iter(requests)
        in_flight: list[tuple[GenerationRequest, int]] = []
        more = True
        while (more or in_flight) and not give_up():
            there = True
            while there and more and len(in_flight) < self.room:
                taken, more = pull(source, 1)
                there = bool(taken)
                for request in taken:
                    self._note(request)
                    in_flight.append((request, self.tokens(request)))
            if in_flight:
                self._step()
            finished = [request for request, left in in_flight if left <= 1]
            in_flight = [(request, left - 1) for request, left in in_flight if left > 1]
            for request in finished:
                yield self._completion(request)

    def close(self) -> None:
        self.closed = True

    def _note(self, request: GenerationRequest) -> None:
        self.asked.append(request)
        if self.on_request is not None:
            self.on_request(request)

    def _step(self) -> None:
        self.steps += 1
        if self.step_seconds:
            self.wait(self.step_seconds)

    def tokens(self, request: GenerationRequest) -> int:
        """How long the answer to a request is."""
        if isinstance(request.constraint, Choice):
            return 1
        wanted = 9 if request.constraint is not None else self.text_tokens // 2 + _draw(request) % self.text_tokens
        return max(1, min(wanted, request.sampling.max_tokens))

    def _completion(self, request: GenerationRequest) -> Completion:
        tokens = self.tokens(request)
        text, logprobs = _answer(request, tokens)
        whole = request.constraint is not None or tokens < request.sampling.max_tokens
        return Completion(
            request.id,
            text,
            "stop" if whole else "length",
            self.count_tokens(request.messages),
            tokens,
            label_logprobs=logprobs,
        )


def _answer(request: GenerationRequest, tokens: int) -> tuple[str, dict[str, float] | None]:
    drawn = _draw(request)
    match request.constraint:
        case Choice(labels):
            best = labels[drawn % len(labels)]
            rest = 0.4 / max(1, len(labels) - 1)
            return best, {label: log(0.5 if label == best else rest) for label in labels}
        case Selection(numbers, wanted):
            first = drawn % len(numbers)
            return ",".join(str(n) for n in [*numbers[first:], *numbers[:first]][:wanted]), None
        case None:
            return " ".join(f"word{(drawn >> shift) % 97}" for shift in range(tokens)), None
        case Copy(source):
            return source.split()[0], None
        case grammar:
            return str(grammar), None


def _draw(request: GenerationRequest) -> int:
    text = "\0".join(message.content for message in request.messages)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=6).digest(), "big")
