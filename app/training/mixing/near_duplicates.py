"""Rows of one task that ask nearly the same and answer the same.

Broder, "On the resemblance and containment of documents" (1997): the fraction of equal minimum hashes estimates the
Jaccard similarity of two sets. Bands of such hashes find the candidates, and their own sets decide.
"""

import hashlib
from array import array
from dataclasses import dataclass

import numpy as np
from datasketch import MinHash, MinHashLSH

from app.training.mixing.settings import NearDuplicateSettings

SAME_TEXT = 0.5
"""Similarity from which two free texts count as one answer in other words."""


@dataclass(frozen=True, slots=True)
class RowContent:
    """What a row is judged by."""

    prompt: frozenset[int]
    """Shingles of the prompt without the task's wording."""
    answer: int
    """Digest of the answer; the same for all free texts."""
    text: frozenset[int] = frozenset()
    """Shingles of a free text."""


class NearDuplicates:
    """The rows of one task that were kept so far. About 3 KB a row."""

    def __init__(self, settings: NearDuplicateSettings) -> None:
        """Start with no row."""
        self._threshold = settings.threshold
        self._empty = MinHash(num_perm=settings.permutations, hashfunc=int)
        self._index = MinHashLSH(settings.threshold, settings.permutations, hashfunc=_compressed)
        self._prompts: list[array[int]] = []
        self._texts: list[array[int]] = []
        self._answers = array("Q")

    def admit(self, content: RowContent) -> bool:
        """Keep a row, unless a kept one gives this answer to a prompt of at least the threshold's similarity.

        A row without any content of its own is kept: nothing is left to judge it by.
        """
        if not content.prompt:
            return True
        signature = self._empty.copy()
        signature.update_batch(np.fromiter(content.prompt, dtype=np.uint32, count=len(content.prompt)))
        if any(self._is_near(row, content) for row in self._index.query(signature)):
            return False
        self._index.insert(len(self._prompts), signature, check_duplication=False)
        self._prompts.append(array("I", content.prompt))
        self._texts.append(array("I", content.text))
        self._answers.append(content.answer)
        return True

    def _is_near(self, row: int, content: RowContent) -> bool:
        return (
            self._answers[row] == content.answer
            and _similarity(self._prompts[row], content.prompt) >= self._threshold
            and _similarity(self._texts[row], content.text) >= SAME_TEXT
        )


def _similarity(one: "array[int]", other: frozenset[int]) -> float:
    """Jaccard's; two empty sets are equal."""
    shared = len(other.intersection(one))
    union = len(one) + len(other) - shared
    return shared / union if union else 1.0


def _compressed(band: bytes) -> bytes:
    return hashlib.blake2b(band, digest_size=8).digest()
