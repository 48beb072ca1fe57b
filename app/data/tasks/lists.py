"""Numbered lists in prompts: options, entries to select from or to rank, each with its label."""

import random
import re
from collections.abc import Sequence
from functools import lru_cache

OPTIONS = 4
SNIPPETS = 15
LISTED = 15
_WORD = re.compile(r"[^\W_]+")
_COMMON = re.compile(
    r"an?|and|any|are|as|at|be|been|but|by|can|come|could|did|do|does|for|from|get|ha[ds]|have|how|if|in|into|is|its?"
    r"|just|like|many|me|much|my|no|not|of|on|or|other|out|product|so|some|tha[nt]|the|their|them|then|there|these|they"
    r"|this|to|up|used?|was|what|when|which|who|will|with|would|yes|you|your|item|included|number|type"
)
"""Words that two texts may share without being about one thing."""


def numbered(entries: Sequence[str], first: int, rng: random.Random) -> str:
    """One entry a line, behind its number; now and then in another style than "1. "."""
    gap = ". "
    if not any(entry[0].isdigit() for entry in entries) and rng.random() < 0.15:
        gap = rng.choice((".", ") ", ".  "))
    return "\n".join(f"{number}{gap}{entry}" for number, entry in enumerate(entries, first))


def choices(gold: str, others: Sequence[str], rng: random.Random) -> tuple[str, int]:
    """The gold answer among the others, counted from 0, and its number."""
    entries = [gold, *others]
    rng.shuffle(entries)
    return numbered(entries, 0, rng), entries.index(gold)


def selection(gold: Sequence[str], others: Sequence[str], rng: random.Random, first: int = 1) -> tuple[str, list[int]]:
    """A list that holds the gold entries, and their numbers, ascending."""
    entries = [*gold, *others]
    rng.shuffle(entries)
    return numbered(entries, first, rng), sorted(first + entries.index(one) for one in gold)


def graded(entries: Sequence[tuple[str, float]], rng: random.Random) -> tuple[str, list[float]]:
    """A list counted from 1, and the entries' relevances in its order, as floats."""
    shuffled = list(entries)
    rng.shuffle(shuffled)
    return numbered([text for text, _ in shuffled], 1, rng), [float(relevance) for _, relevance in shuffled]


@lru_cache(maxsize=1 << 14)
def content_words(text: str) -> frozenset[str]:
    """The words of an English text that say what it is about, in lower case, plurals without their s."""
    return frozenset(word.removesuffix("s") for word in _WORD.findall(text.lower()) if not _COMMON.fullmatch(word))


def unlike(others: Sequence[str], *known: str) -> list[str]:
    """Those with less than half of their words in common with any known text: what says the same may be right too."""
    told = [content_words(text) for text in known]
    return [
        other
        for other in others
        if (words := content_words(other)) and all(len(words & seen) * 2 < len(words | seen) for seen in told)
    ]
