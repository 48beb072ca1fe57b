"""Numbered lists in prompts: options, entries to select from or to rank, each with its label."""

import random
from collections.abc import Sequence

OPTIONS = 4
SNIPPETS = 15
LISTED = 15


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
