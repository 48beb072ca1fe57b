"""Texts as they are compared: one normal form, digests that are the same everywhere, words, shingles and long lines."""

import hashlib
import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

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

    def without(self, wording: "Fingerprint") -> "Fingerprint":
        """The text's content: what stands in it besides the wording."""
        return Fingerprint(self.shingles - wording.shingles, self.lines - wording.lines)


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


SAMPLED_ROWS = 2_000
"""Rows of a task that are looked at."""
FEW_ROWS = 5
SHARED_FRACTION = 0.01
"""What stands in more than `FEW_ROWS` rows and in more than this fraction of them is wording, not content."""


def wording_of(sample: Iterable[Fingerprint]) -> Fingerprint:
    """The wording of a task, which many of its rows share, by a sample of them."""
    texts = list(sample)
    limit = max(FEW_ROWS, SHARED_FRACTION * len(texts))
    return Fingerprint(
        _frequent((text.shingles for text in texts), limit), _frequent((text.lines for text in texts), limit)
    )


def _frequent(sets: Iterable[frozenset[int]], limit: float) -> frozenset[int]:
    counts = Counter(chain.from_iterable(sets))
    return frozenset(one for one, n in counts.items() if n > limit)
