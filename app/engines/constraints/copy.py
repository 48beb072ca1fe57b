"""Spans of a source text: "first span, second span", each of which stands in the source.

The answer is followed through the source as a nondeterministic automaton: all the places of the source where
the span so far stands are live at once. Where several spans may be written, none holds a comma and a space, since
whoever reads the answer takes it apart there.
"""

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from app.engines.base import RefusedRequestError
from app.engines.constraints.vocabulary import Vocabulary
from app.types import Copy

COMMA, SPACE = ord(","), ord(" ")
UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x0F00, 0x109F),  # Tibetan, Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x3005, 0x3007),  # iteration mark and its like
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x3100, 0x312F),  # Bopomofo
    (0x31F0, 0x31FF),  # Katakana extensions
    (0x3400, 0x4DBF),  # Han
    (0x4E00, 0x9FFF),
    (0xAC00, 0xD7AF),  # Hangul: particles are written on to the word
    (0xF900, 0xFAFF),
    (0xFF66, 0xFF9D),  # half-width Katakana
    (0x20000, 0x3FFFF),
)
"""Scripts without spaces between words: a span may begin and end at any of their characters."""
_UNSPACED_BEGINS = [low for low, _ in UNSPACED]
LINE_BREAKS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
"""Where `str.splitlines` breaks."""
ZERO_WIDTH_JOINER = "\u200d"


class Live(NamedTuple):
    """A place in the source where the current span may have begun, and the furthest end of an unused one from there."""

    begin: int
    limit: int


class Written(NamedTuple):
    """Where an answer stands.

    `live` is None before a span's first byte, where each begin with an unused span is. `closed` says that the last
    byte is a comma that may be a separator.
    """

    used: tuple[bytes, ...] = ()
    text: bytes = b""
    live: tuple[Live, ...] | None = None
    closed: bool = False


class CopyRules:
    """What may be written under one `Copy`."""

    start = Written()

    def __init__(self, constraint: Copy, vocabulary: Vocabulary) -> None:
        """Find the places in the source where spans begin and end. None holds a byte that no token writes."""
        if constraint.max_spans < 1:
            raise RefusedRequestError("unusable_constraint", "a copy needs max_spans of at least 1")
        several = constraint.max_spans > 1 and {COMMA, SPACE} <= vocabulary.single_bytes
        self._mark(constraint.source, vocabulary.single_bytes, several=several)
        if not self._begins:
            raise RefusedRequestError("unusable_constraint", "the source to copy from has no words")
        self._max_spans = self._count_spans(constraint.max_spans) if several else 1

    def complete(self, written: Written) -> bool:
        """Whether the answer may end here: at the end of a span that was not written before."""
        if not written.live or written.text in written.used:
            return False
        return any(self._is_end[begin + len(written.text)] for begin, _ in written.live)

    def steps(self, written: Written) -> dict[int, Written]:
        """What each byte that may come next leads to."""
        length = len(written.text)
        going_on: dict[int, list[Live]] = defaultdict(list)
        for live in self._unused(written.used) if written.live is None else written.live:
            if live.begin + length < live.limit:
                going_on[self._data[live.begin + length]].append(live)
        found = {
            byte: Written(written.used, written.text + bytes([byte]), tuple(live)) for byte, live in going_on.items()
        }
        if len(written.used) + 1 < self._max_spans and self.complete(written):
            found[COMMA] = Written(written.used, written.text + b",", tuple(going_on[COMMA]), closed=True)
        if written.closed:
            found[SPACE] = Written((*written.used, written.text[:-1]))
        return found

    def _mark(self, source: str, spellable: frozenset[int], *, several: bool) -> None:
        characters = [_encoded(character, spellable) for character in source]
        self._data = b"".join(characters)
        self._is_end = bytearray(len(self._data) + 1)
        begins, offset = [], 0
        for place, encoded in enumerate(characters):
            inside = encoded != b"\n" and source[place] != "," and not source[place].isspace()
            if inside and is_boundary(source, place):
                begins.append(offset)
            offset += len(encoded)
            if inside and is_boundary(source, place + 1):
                self._is_end[offset] = 1
        self._ends = [place for place, is_end in enumerate(self._is_end) if is_end]
        stops = sorted(match.start() for match in re.finditer(b"\n|, " if several else b"\n", self._data))
        self._begins = []
        for begin in begins:
            stop = bisect_left(stops, begin)
            limit = self._end_before((stops[stop] if stop < len(stops) else len(self._data)) + 1)
            if limit > begin:
                self._begins.append(Live(begin, limit))

    def _end_before(self, end: int) -> int:
        """The nearest end left of `end`, or 0."""
        place = bisect_left(self._ends, end)
        return self._ends[place - 1] if place else 0

    def _count_spans(self, most: int) -> int:
        """How many different spans there are; `most` where there are more."""
        found: set[bytes] = set()
        for begin, last in self._begins:
            end = last
            while end > begin and len(found) < most:
                found.add(self._data[begin:end])
                end = self._end_before(end)
        return len(found)

    def _unused(self, used: tuple[bytes, ...]) -> Iterator[Live]:
        """The begins of spans other than the used ones."""
        for begin, last in self._begins:
            limit = last
            while limit > begin and self._data[begin:limit] in used:
                limit = self._end_before(limit)
            if limit > begin:
                yield Live(begin, limit)


def is_boundary(text: str, place: int) -> bool:
    """Whether a span may begin or end between `text[place - 1]` and `text[place]`."""
    if place in (0, len(text)):
        return True
    before, after = text[place - 1], text[place]
    if _continues(before, after):
        return False
    if _is_unspaced(before) or _is_unspaced(after):
        return True
    return not (before.isdigit() and after.isdigit()) and not (_is_letter(before) and _is_letter(after))


def _continues(before: str, after: str) -> bool:
    """Whether `after` is a part of the character before it."""
    if ZERO_WIDTH_JOINER in {before, after}:
        return True
    if "\U0001f1e6" <= before <= "\U0001f1ff" and "\U0001f1e6" <= after <= "\U0001f1ff":  # the halves of flags
        return True
    if after < "\u0300":
        return False
    joined = "\U0001f3fb" <= after <= "\U0001f3ff" or after in "\uff9e\uff9f"
    return joined or unicodedata.category(after).startswith("M")


def _is_letter(character: str) -> bool:
    return character.isalpha() or (character > "\u02ff" and unicodedata.category(character).startswith("M"))


def _is_unspaced(character: str) -> bool:
    place = bisect_right(_UNSPACED_BEGINS, ord(character))
    return place > 0 and ord(character) <= UNSPACED[place - 1][1]


def _encoded(character: str, spellable: frozenset[int]) -> bytes:
    """UTF-8, or a line break for what a span may not hold."""
    if character in LINE_BREAKS or "\ud800" <= character <= "\udfff":
        return b"\n"
    encoded = character.encode()
    return encoded if spellable.issuperset(encoded) else b"\n"
