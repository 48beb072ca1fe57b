"""Counting what readers mend and drop, by name."""

from collections import Counter


def count(faults: Counter[str], name: str, times: int = 1) -> None:
    """Count a fault so many times; none leaves no name behind."""
    if times:
        faults[name] += times
