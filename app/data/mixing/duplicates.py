"""Rows that say the same, and rows that contradict each other, found by sorting digests."""

import hashlib
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from datasketch import MinHash, MinHashLSH
from numpy.typing import NDArray

from app.data.mixing.checks import Drop
from app.data.mixing.mixture import NearDuplicateSettings, OverlapSettings
from app.data.mixing.spool import RowSpool
from app.data.mixing.text import FEW_ROWS, Fingerprint, digest, fingerprint, normal
from app.errors import InputError, SetupError
from app.evaluation.datasets.reading import read_dataset
from app.types import TaskType


def without_duplicates(spool: RowSpool) -> tuple[NDArray[np.bool_], Counter[tuple[str, Drop]]]:
    """Which rows stay, and by task and reason how many do not: of rows with one normal prompt, over all tasks.

    The same answer again: the row with the smallest key stays. Different answers: nothing says which is right, so all
    of them go; but of free texts, where several may be good, the one with the smallest key stays.
    """
    key, prompt, answer = (spool.column(name) for name in ("key", "prompt", "answer"))
    kept = np.ones(len(spool), dtype=bool)
    order = np.lexsort((key, answer, prompt))
    again = _repeats(prompt[order]) & _repeats(answer[order])
    kept[order[again]] = False
    dropped = _counted(spool, order[again], Drop.EXACT_DUPLICATE)

    rest = np.flatnonzero(kept)
    rest = rest[np.lexsort((key[rest], prompt[rest]))]
    later = _repeats(prompt[rest])
    first = np.zeros(len(rest), dtype=bool)
    first[:-1] = later[1:] & ~later[:-1]
    free = np.array([spool.examples[name].task_type is TaskType.GENERATION for name in spool.names], dtype=bool)
    contradicting = rest[later | (first & ~free[spool.tasks[rest]])]
    kept[contradicting] = False
    return kept, dropped + _counted(spool, contradicting, Drop.CONFLICT)


def _repeats(numbers: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which numbers of a sorted list equal the one before."""
    same = np.zeros(len(numbers), dtype=bool)
    same[1:] = numbers[1:] == numbers[:-1]
    return same


def _counted(spool: RowSpool, rows: NDArray[np.intp], reason: Drop) -> Counter[tuple[str, Drop]]:
    names = spool.names
    found, counts = np.unique(spool.tasks[rows], return_counts=True)
    return Counter({(names[task], reason): int(n) for task, n in zip(found, counts, strict=True)})


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
        self._index = MinHashLSH(
            settings.threshold,
            settings.permutations,
            hashfunc=lambda band: hashlib.blake2b(band, digest_size=8).digest(),
        )
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


class EvaluationIndex:
    """The prompts of all evaluation files."""

    def __init__(self, prompts: Iterable[str], settings: OverlapSettings) -> None:
        """Take in the prompts; about 23 KB for one of 100 words."""
        self._settings = settings
        self._texts: list[Fingerprint] = []
        self._prompts: set[int] = set()
        lines: Counter[int] = Counter()
        self._by_shingle: defaultdict[int, list[int]] = defaultdict(list)
        for prompt in prompts:
            identity = digest(normal(prompt))
            if identity in self._prompts:
                continue
            self._prompts.add(identity)
            text = fingerprint(prompt)
            lines.update(text.lines)
            for shingle in text.shingles:
                self._by_shingle[shingle].append(len(self._texts))
            self._texts.append(text)
        self._lines = {line for line, n in lines.items() if n <= FEW_ROWS}

    def __len__(self) -> int:
        return len(self._prompts)

    def overlap(self, prompt: str, text: Fingerprint, wording: Fingerprint) -> Drop | None:
        """What a training prompt shares with an evaluation prompt, or None. `text` is the prompt's fingerprint.

        Content counts as shared where at least `shared_shingles` of its shingles stand in one evaluation prompt, and
        these are at least the fraction `containment` of the content of the shorter of the two.
        """
        if digest(normal(prompt)) in self._prompts:
            return Drop.EVALUATION_PROMPT
        content = text.without(wording)
        if not self._lines.isdisjoint(content.lines):
            return Drop.EVALUATION_LINE
        shared = Counter(place for shingle in content.shingles for place in self._by_shingle.get(shingle, ()))
        for place, n in shared.items():
            if n < self._settings.shared_shingles:
                continue
            theirs = self._texts[place].without(wording).shingles
            if n >= self._settings.containment * min(len(content.shingles), len(theirs)):
                return Drop.EVALUATION_CONTENT
        return None


def evaluation_prompts(files: Iterable[Path]) -> dict[str, list[str]]:
    """Prompts by file, of any format that the evaluation reads.

    Raises:
        SetupError: a file is missing or is no evaluation file.
    """
    try:
        return {str(file): [sample.question.prompt for sample in read_dataset(file).samples] for file in files}
    except InputError as error:
        raise SetupError(f"evaluation_files: {error}") from error
