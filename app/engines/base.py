"""The contract that every engine keeps."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from app.types import Completion, GenerationRequest, Message


class Engine(Protocol):
    """A loaded model.

    The contract is a stream: requests are pulled as places free up, completions are yielded as each
    finishes, in any order, exactly one a request. Sampling, constraint and adapter are per request, so
    mixed task types go down in one call.

    A request that the engine refuses stops nothing else: its completion has `finish_reason` "error" and an
    `error` whose code is one of those in `app/engines/refusal.py` (prompt too long, unknown adapter,
    constraint that cannot be met, conversation that the chat template refuses). Prompt and `max_tokens`
    together must fit `context_length`.

    The text of a constrained completion is always a prefix of a legal answer, and with `finish_reason`
    "stop" a whole one: "length" means that `max_tokens` ran out before the answer was complete, and the
    caller decides what the beginning is worth. A `Choice` is one token and always complete; decoded
    greedily, its text is the label with the highest entry in `label_logprobs`.
    """

    name: str
    """The registry's name of the engine."""
    version: str
    """The engine library's version."""
    model: str
    """Path or hub name of the checkpoint."""
    context_length: int
    """Prompt and output together, in tokens."""

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Tokens of the conversation after the chat template, the assistant's opening included.

        Raises:
            EngineError: the chat template refuses the conversation.
        """
        ...

    def generate(self, requests: Iterable[GenerationRequest]) -> Iterator[Completion]:
        """Completions in order of finishing. One stream at a time; closing it early frees what is in flight.

        Raises:
            EngineError: the engine is closed, is already generating, or failed while it ran.
        """
        ...

    def close(self) -> None:
        """Free the model. Safe to call twice."""
        ...
