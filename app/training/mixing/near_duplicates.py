"""Rows of one task that ask nearly the same and answer the same.

Broder, "On the resemblance and containment of documents" (1997): the fraction of equal minimum hashes estimates the
Jaccard similarity of two sets. Bands of such hashes find the candidates, and their own sets decide.
"""

import hashlib
from array import array

import numpy as np
from datasketch import MinHash, MinHashLSH

from app.training.mixing.settings import NearDuplicateSettings


class NearDuplicates:
    """The rows of one task that were kept so far. About 2 KB a row, besides 4 bytes a shingle."""

    def __init__(self, settings: NearDuplicateSettings) -> None:
        """Start with no row."""
        self._threshold = settings.threshold
        self._empty = MinHash(num_perm=settings.permutations, hashfunc=int)
        self._index = MinHashLSH(settings.threshold, settings.permutations, hashfunc=_compressed)
        self._contents: list[array[int]] = []
        self._answers = array("Q")

    def admit(self, content: frozenset[int], answer: int) -> bool:
        """Keep a row, unless a kept one has this answer and a content of at least the threshold's similarity.

        A row without any content of its own is kept: nothing is left to judge it by.
        """
        if not content:
            return True
        signature = self._empty.copy()
        signature.update_batch(np.fromiter(content, dtype=np.uint32, count=len(content)))
        for row in self._index.query(signature):
            if self._answers[row] == answer and self._similarity(row, content) >= self._threshold:
                return False
        self._index.insert(len(self._contents), signature, check_duplication=False)
        self._contents.append(array("I", content))
        self._answers.append(answer)
        return True

    def _similarity(self, row: int, content: frozenset[int]) -> float:
        other = self._contents[row]
        shared = len(content.intersection(other))
        return shared / (len(content) + len(other) - shared)


def _compressed(band: bytes) -> bytes:
    return hashlib.blake2b(band, digest_size=8).digest()
