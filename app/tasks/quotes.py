"""Quoted spans of a prompt: product titles and queries, which hold apostrophes and inch marks themselves."""

import re
from dataclasses import dataclass

_ANY_MARK = re.compile("['\"`‘“「『«„]")
_PAIRS = {"‘": "’", "“": "”", "「": "」", "『": "』", "«": "»", "„": "“"}
_OPENS_AFTER = frozenset(" \t\r\n([{:：=,;-–—/、。，．")
_CLOSES_BEFORE = frozenset(" \t\r\n)]}.,;:?!：，。？！、")


@dataclass(frozen=True, slots=True)
class Quoted:
    """The text between two quotation marks; `start` and `end` are its own bounds, marks excluded."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class _Mark:
    position: int
    opens: bool
    closes: bool


def find_quoted(text: str) -> tuple[Quoted, ...]:
    """The outermost quoted spans, in order; none crosses a line. Linear in the length of `text`."""
    found: list[Quoted] = []
    offset = 0
    for line in text.splitlines(keepends=True):
        if _ANY_MARK.search(line):
            bounds = _straight(line, "'") + _straight(line, '"') + _straight(line, "`") + _paired(line)
            found += (Quoted(offset + a, offset + b, line[a:b]) for a, b in _outermost(bounds))
        offset += len(line)
    return tuple(found)


def _straight(line: str, mark: str) -> list[tuple[int, int]]:
    """Spans between marks that look the same on both sides.

    A title may hold stray marks ("Girls' Shoes", 6''), so a mark that could close does so only where the
    next mark could open.
    """
    if line.count(mark) < 2:
        return []
    marks = _marks(line, mark)
    spans: list[tuple[int, int]] = []
    index = 0
    while index < len(marks):
        if not marks[index].opens:
            index += 1
            continue
        closing = _closing(marks, index)
        if closing is None:
            break
        spans.append((marks[index].position + 1, marks[closing].position))
        index = closing + 1
    return spans


def _marks(line: str, mark: str) -> list[_Mark]:
    marks: list[_Mark] = []
    position = line.find(mark)
    while position >= 0:
        before = line[position - 1] if position else " "
        after = line[position + 1] if position + 1 < len(line) else " "
        opens = before in _OPENS_AFTER and (not after.isspace() or before == " " == after)
        closes = after in _CLOSES_BEFORE
        if opens or closes:
            marks.append(_Mark(position, opens, closes))
        position = line.find(mark, position + 1)
    return marks


def _closing(marks: list[_Mark], opening: int) -> int | None:
    """The first closing mark after which no other closing mark comes before an opening one."""
    for index in range(opening + 1, len(marks)):
        if marks[index].closes and (index + 1 == len(marks) or marks[index + 1].opens):
            return index
    return None


def _paired(line: str) -> list[tuple[int, int]]:
    """Spans between marks that differ left and right."""
    spans: list[tuple[int, int]] = []
    if line.isascii():
        return spans
    for opening, closing in _PAIRS.items():
        start = line.find(opening)
        while start >= 0:
            end = line.find(closing, start + 1)
            if end < 0:
                break
            spans.append((start + 1, end))
            start = line.find(opening, end + 1)
    return spans


def _outermost(bounds: list[tuple[int, int]]) -> list[tuple[int, int]]:
    kept: list[tuple[int, int]] = []
    for start, end in sorted(bounds, key=lambda bound: (bound[0], -bound[1])):
        if end > start and (not kept or start > kept[-1][1]):
            kept.append((start, end))
    return kept
