"""A training example, and on which side of the split it stands."""

import hashlib
from dataclasses import dataclass

from app.types import TaskType

SPLIT_BUCKETS = 10_000


@dataclass(frozen=True, slots=True)
class Example:
    """A question, the text that answers it, and where both come from."""

    prompt: str
    target: str
    task_type: TaskType
    source: str
    key: str = ""
    """What the split is decided by; the prompt, where it is empty."""
    relevance: tuple[float, ...] = ()
    """Ranking only: the relevance of each entry, in the order listed."""


def is_heldout(example: Example, fraction: float) -> bool:
    """Whether the example belongs to the held-out part: decided by a hash of its text alone."""
    digest = hashlib.sha256((example.key or example.prompt).strip().encode()).digest()
    return int.from_bytes(digest[:8]) % SPLIT_BUCKETS < fraction * SPLIT_BUCKETS


def format_numbers(numbers: list[int]) -> str:
    """A list of entry numbers as the model writes it: commas, no spaces."""
    return ",".join(map(str, numbers))
