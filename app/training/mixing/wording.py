"""What the rows of a task have in common: their instructions, which must not make two rows look alike."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

from app.training.mixing.text import Fingerprint

SAMPLED_ROWS = 2_000
"""Rows of a task that are looked at."""
FEW_ROWS = 5
SHARED_FRACTION = 0.01
"""What stands in more than `FEW_ROWS` rows and in more than this fraction of them is wording, not content."""


@dataclass(frozen=True, slots=True)
class Wording:
    """The shingles and lines that many rows of one task share."""

    shingles: frozenset[int]
    lines: frozenset[int]

    def content(self, text: Fingerprint) -> Fingerprint:
        """The text without the wording."""
        return Fingerprint(text.shingles - self.shingles, text.lines - self.lines)


def wording_of(sample: Iterable[Fingerprint]) -> Wording:
    """The wording of a task, by a sample of its rows."""
    texts = list(sample)
    limit = max(FEW_ROWS, SHARED_FRACTION * len(texts))
    return Wording(
        _frequent((text.shingles for text in texts), limit),
        _frequent((text.lines for text in texts), limit),
    )


def _frequent(sets: Iterable[frozenset[int]], limit: float) -> frozenset[int]:
    counts = Counter(chain.from_iterable(sets))
    return frozenset(one for one, n in counts.items() if n > limit)
