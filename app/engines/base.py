"""The contract that every engine keeps."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from app.types import Completion, GenerationRequest, Message


class Engine(Protocol):
    """A loaded model.

    The contract is a stream: requests are pulled as places free up, completions are yielded as each
    finishes, in any order, exactly one a request. Sampling, constraint and adapter are per request, so
    mixed task types go down in one call.
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
        """Tokens of the conversation after the chat template, the assistant's opening included."""
        ...

    def generate(self, requests: Iterable[GenerationRequest]) -> Iterator[Completion]:
        """Completions in order of finishing.

        Raises:
            EngineError: a request is longer than the context, or names an unknown adapter.
        """
        ...

    def close(self) -> None:
        """Free the model. Safe to call twice."""
        ...
