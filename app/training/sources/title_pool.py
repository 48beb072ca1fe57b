"""Products drawn by chance from a table on disk: what a question offers beside its answer."""

import random
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from app.training.sources.spill import SpillTable

OTHERS = 20
"""Products drawn for one question: enough for the longest list."""


@dataclass(frozen=True, slots=True, eq=False)
class TitlePool:
    """Titles of a table: its values, or the "title" of each. Drawn when asked for, as most questions never are."""

    table: SpillTable
    places: Sequence[int]
    """The rows of the table that belong to the pool."""

    def draw(self, seed: str, known: Collection[str]) -> tuple[str, ...]:
        """Different titles that are not known, `OTHERS` at most; the same for the same seed."""
        places = random.Random(seed).sample(self.places, min(2 * OTHERS, len(self.places)))
        return tuple(dict.fromkeys(self._unknown(places, known)))[:OTHERS]

    def _unknown(self, places: list[int], known: Collection[str]) -> Iterator[str]:
        for place in places:
            value: Any = self.table.at(place)
            title = value if isinstance(value, str) else value["title"]
            if title and title not in known:
                yield title
