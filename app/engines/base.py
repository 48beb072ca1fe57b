"""The contract that every engine keeps."""

from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import Literal, Protocol

from app.errors import EngineError
from app.types import Completion, Failure, GenerationRequest, Message

DECODING = 2
"""Raised with every change after which an engine may write something else for the same request: constraints, sampling,
the tokens of a conversation, what the parameters of a chat completion become. Kept answers depend on it."""


def never() -> bool:
    """Streams are not given up."""
    return False


def pull(source: Iterator[GenerationRequest | None], most: int) -> tuple[list[GenerationRequest], bool]:
    """At most `most` requests, as many as are there now, and whether more may come."""
    taken: list[GenerationRequest] = []
    for request in islice(source, most):
        if request is None:
            return taken, True
        taken.append(request)
    return taken, len(taken) == most


class LoadedModel(Protocol):
    """What every engine says about the model that it runs."""

    name: str
    """The registry's name of the engine."""
    version: str
    """The engine library's version."""
    model: str
    """Path or hub name of the checkpoint."""
    context_length: int
    """Prompt and output together, in tokens."""

    @property
    def adapters(self) -> Collection[str]:
        """The names of the LoRA adapters that requests may ask for."""
        ...

    def count_tokens(self, messages: Sequence[Message], tools: str = "") -> int:
        """Tokens of the conversation after the chat template, `tools` (JSON) and the assistant's opening included.

        Raises:
            EngineError: the chat template refuses the conversation.
        """
        ...

    def close(self) -> None:
        """Free the model. Safe to call twice."""
        ...


class Engine(LoadedModel, Protocol):
    """An engine for offline work.

    The contract is a stream: requests are pulled as places free up, completions are yielded as each
    finishes, in any order, exactly one a request. Sampling, constraint and adapter are per request, so
    mixed task types go down in one call. A None among the requests says that no other is there yet: the
    engine goes on with those that it has, and pulls again after a step.

    A request that the engine refuses stops nothing else: its completion has `finish_reason` "error" and an
    `error` whose code is one of those in `app/engines/base.py` (prompt too long, unknown adapter,
    constraint that cannot be met, conversation that the chat template refuses, a model that computed no finite
    numbers for it). Prompt and `max_tokens`
    together must fit `context_length`.

    The text of a constrained completion is always a prefix of a legal answer, and with `finish_reason`
    "stop" a whole one: "length" means that `max_tokens` ran out before the answer was complete, and the
    caller decides what the beginning is worth. A `Choice` is one token and always complete; decoded
    greedily, its text is the label with the highest entry in `label_logprobs`.
    """

    dtype: str
    """The number format that the model computes in, such as "float32"."""

    def generate(
        self, requests: Iterable[GenerationRequest | None], give_up: Callable[[], bool] = never
    ) -> Iterator[Completion]:
        """Completions in order of finishing. One stream at a time; closing it early frees what is in flight.

        `give_up` is asked after every step, that is, about once a token. When it says so, the stream ends, and
        requests in flight have no completion.

        Raises:
            EngineError: the engine is closed, is already generating, or failed while it ran.
        """
        ...


SHORT_PROMPT = 4096
"""Characters that a server may work on between two steps of its event loop: they take a fraction of a millisecond."""


class AsyncEngine(LoadedModel, Protocol):
    """An engine for a server: many requests at once, each with a caller of its own.

    Completions are those of `Engine`, refused requests included. A caller that is cancelled, or that closes
    the stream early, has its request aborted in the engine. An engine that is closed or failed raises `EngineError`.
    """

    @property
    def alive(self) -> bool:
        """False once the engine has failed for good: only a new process helps."""
        ...

    @property
    def last_heard(self) -> float:
        """When the engine last produced a token, on `time.monotonic`'s clock."""
        ...

    async def generate(self, request: GenerationRequest) -> Completion:
        """The completion of one request."""
        ...

    def stream(self, request: GenerationRequest) -> AsyncGenerator[str | Completion, None]:
        """Pieces of the text as they come, then the completion, whose text is the one that counts."""
        ...

    async def probe(self) -> None:
        """Generate one token, past any queue of the caller's. It may hang where the engine does."""
        ...


RefusalCode = Literal[
    "prompt_too_long",
    "unknown_adapter",
    "unusable_constraint",
    "unusable_sampling",
    "unusable_conversation",
    "unusable_prompt",
    "not_finite",
    "engine",
]


class RefusedRequestError(EngineError):
    """One request cannot be served as it stands. The engine goes on with the others."""

    def __init__(self, code: RefusalCode, message: str) -> None:
        super().__init__(message)
        self.code = code

    def completion(self, request_id: str) -> Completion:
        """The completion that stands for the refused request."""
        return Completion(request_id, "", "error", 0, 0, error=Failure(self.code, str(self)))
