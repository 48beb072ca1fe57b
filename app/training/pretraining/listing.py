"""Numbered lists inside prompts: find the entries, renumber them, change their places."""

import random
import re
from dataclasses import dataclass

_LABEL = re.compile(r"(?:(?<=\n)|(?<=:)|^)[ \t]*(\d{1,2})\.[ \t]?")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: its number, and where number and text stand in the prompt."""

    number: int
    label: tuple[int, int]
    text: tuple[int, int]


def find_entries(prompt: str) -> list[Entry]:
    """The entries of the prompt's last numbered list, in order; numbers rise from 0 or 1.

    A list may open behind a colon; every further entry opens a line. Text of the last entry ends with its line.
    """
    labels: list[tuple[int, int, int]] = []
    for match in _LABEL.finditer(prompt):
        number = int(match[1])
        if number == 0 or (number == 1 and not (labels and labels[-1][0] == 0)):
            labels = []
        elif not labels or not labels[-1][0] < number <= labels[-1][0] + 2:
            continue
        labels.append((number, match.start(1), match.end()))
    entries = []
    for place, (number, start, end) in enumerate(labels):
        following = labels[place + 1][1] if place + 1 < len(labels) else None
        stop = prompt.find("\n", end) if following is None else prompt.rfind("\n", end - 1, following)
        stop = len(prompt) if stop < 0 else max(stop, end)
        entries.append(Entry(number, (start, end), (end, stop)))
    return entries


def unnumbered(line: str) -> str:
    """The line without the number that it may begin with."""
    label = _LABEL.match(line)
    return line[label.end() :] if label else line


def permute(prompt: str, gold: list[int], rng: random.Random) -> tuple[str, list[int]]:
    """The entries' texts in a new order, and where the gold entries went, ascending.

    A prompt whose gold is not among its entries comes back as it was.
    """
    entries = find_entries(prompt)
    numbers = [entry.number for entry in entries]
    if len(entries) < 2 or not set(gold) <= set(numbers):
        return prompt, gold
    order = list(range(len(entries)))
    rng.shuffle(order)
    pieces, last = [], 0
    for entry, taken in zip(entries, order, strict=True):
        start, stop = entry.text
        pieces += [prompt[last:start], prompt[slice(*entries[taken].text)].rstrip()]
        last = stop
    moved = {numbers[taken]: entry.number for entry, taken in zip(entries, order, strict=True)}
    return "".join(pieces) + prompt[last:], sorted(moved[number] for number in gold)
