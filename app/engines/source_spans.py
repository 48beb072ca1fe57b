"""Where a span may begin and end in a source text.

A span is a piece of one line that neither begins nor ends inside a word, and neither begins nor ends with
white space or a comma. Inside a word means between two letters or between two digits; scripts written
without spaces (Chinese, Japanese, Thai and their like) have a boundary between any two characters.
Combining marks, variation selectors and the parts of a joined emoji belong to the character before them.
"""

import unicodedata
from bisect import bisect_left
from itertools import pairwise

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
_UNSPACED_BEGINS = [low for low, _ in UNSPACED]
LINE_BREAKS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
"""Where `str.splitlines` breaks."""
ZERO_WIDTH_JOINER = "\u200d"


class SourceSpans:
    """A source as bytes, with the places where spans begin and end.

    `last_end[p]` is the furthest end of a span through byte `p`, or 0 where there is none.
    """

    def __init__(self, source: str, spellable: frozenset[int]) -> None:
        """Mark the boundaries.

        Args:
            source: the text to copy from.
            spellable: the bytes that the vocabulary can write; no span holds another.
        """
        characters = [_encoded(character, spellable) for character in source]
        self.data = b"".join(characters)
        self.is_end = bytearray(len(self.data) + 1)
        self.last_end = [0] * (len(self.data) + 1)
        begins = self._mark(source, characters)
        self.begins = tuple(begin for begin in begins if self.last_end[begin] > begin)
        self.ends = [place for place, is_end in enumerate(self.is_end) if is_end]

    def end_before(self, end: int) -> int:
        """The nearest end left of `end`, or 0."""
        place = bisect_left(self.ends, end)
        return self.ends[place - 1] if place else 0

    def _mark(self, source: str, characters: list[bytes]) -> list[int]:
        begins, lines, offset, line = [], [0], 0, 0
        for place, encoded in enumerate(characters):
            if encoded == b"\n":
                line = offset + 1
                lines.append(line)
            elif is_boundary(source, place) and not _is_margin(source[place]):
                begins.append(offset)
            offset += len(encoded)
            closed = encoded != b"\n" and not _is_margin(source[place])
            if closed and is_boundary(source, place + 1):
                self.is_end[offset] = 1
        for first, following in pairwise([*lines, offset + 1]):
            last = next((p for p in range(following - 1, first, -1) if self.is_end[p]), 0)
            self.last_end[first:following] = [last] * (following - first)
        return begins


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
    if _is_regional(before) and _is_regional(after):
        return True
    if after < "\u0300":
        return False
    joined = "\U0001f3fb" <= after <= "\U0001f3ff" or after in "\uff9e\uff9f"
    return joined or unicodedata.category(after).startswith("M")


def _is_regional(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _is_letter(character: str) -> bool:
    return character.isalpha() or (character > "\u02ff" and unicodedata.category(character).startswith("M"))


def _is_unspaced(character: str) -> bool:
    if character < "\u0e00":
        return False
    code = ord(character)
    place = bisect_left(_UNSPACED_BEGINS, code + 1)
    return place > 0 and code <= UNSPACED[place - 1][1]


def _is_margin(character: str) -> bool:
    return character == "," or character.isspace()


def _encoded(character: str, spellable: frozenset[int]) -> bytes:
    """UTF-8, or a line break for what a span may not hold."""
    if character in LINE_BREAKS or "\ud800" <= character <= "\udfff":
        return b"\n"
    encoded = character.encode()
    return encoded if spellable.issuperset(encoded) else b"\n"
