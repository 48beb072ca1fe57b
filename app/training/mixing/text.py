"""Texts as they are compared: one normal form, digests that are the same everywhere, words, shingles and long lines."""

import hashlib
import re
import unicodedata
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

SHINGLE_WORDS = 3
"""Words that a shingle spans."""
LINE_LENGTH = 60
"""Characters from which a line is long enough to stand for its content alone."""

# Scripts that are written without spaces count by character.
_UNSPACED = "\u0e00-\u0eff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+")
_LABEL = re.compile(r"^(?:[-*•]\s+)?(?:[(\[]?\d{1,3}[.):\]]\s*)?(?:[\w ]{1,20}:\s+)?")


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a text is compared by: hashes of its shingles and of its long lines."""

    shingles: frozenset[int]
    """32-bit hashes."""
    lines: frozenset[int]
    """64-bit digests."""


def normal(text: str) -> str:
    """The text without what does not distinguish it: compatibility forms, case, amount of white space."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def digest(*parts: str) -> int:
    """64 bits of BLAKE2b over the parts, the same on every machine and in every process."""
    hashed = hashlib.blake2b(digest_size=8)
    for part in parts:
        data = part.encode()
        hashed.update(len(data).to_bytes(8, "little") + data)
    return int.from_bytes(hashed.digest(), "little")


def fingerprint(text: str) -> Fingerprint:
    """Shingles within lines, and lines of `LINE_LENGTH` characters or more.

    A list's numbers and a short label at a line's start ("Title: ") do not count, so that a list in another order has
    the same shingles. A line of fewer than `SHINGLE_WORDS` words is one shingle.
    """
    shingles: set[int] = set()
    lines: set[int] = set()
    for line in text.splitlines():
        content = _LABEL.sub("", normal(line), count=1)
        shingles.update(_shingles(content))
        if len(content) >= LINE_LENGTH:
            lines.add(digest(content))
    return Fingerprint(frozenset(shingles), frozenset(lines))


def _shingles(line: str) -> Iterator[int]:
    words = _WORD.findall(line)
    if not words:
        return
    for start in range(max(len(words) - SHINGLE_WORDS, 0) + 1):
        yield zlib.crc32(" ".join(words[start : start + SHINGLE_WORDS]).encode())
