"""What training rows must not share with the files that the model will be judged by.

Whole prompts, long lines of content, and n-grams: containment as Brown et al. (2020, appendix C) and others after them
use it, but measured on the content alone, since questions of one kind share long instructions.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

from app.errors import InputError, SetupError
from app.evaluation.datasets.read import read_dataset
from app.training.mixing.checks import Drop
from app.training.mixing.settings import OverlapSettings
from app.training.mixing.text import Fingerprint, digest, fingerprint, normal
from app.training.mixing.wording import FEW_ROWS, Wording


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

    def overlap(self, prompt: str, text: Fingerprint, wording: Wording) -> Drop | None:
        """What a training prompt shares with an evaluation prompt, or None. `text` is the prompt's fingerprint.

        Content counts as shared where at least `shared_shingles` of its shingles stand in one evaluation prompt, and
        these are at least the fraction `containment` of the content of the shorter of the two.
        """
        if digest(normal(prompt)) in self._prompts:
            return Drop.EVALUATION_PROMPT
        content = wording.content(text)
        if not self._lines.isdisjoint(content.lines):
            return Drop.EVALUATION_LINE
        shared = Counter(place for shingle in content.shingles for place in self._by_shingle.get(shingle, ()))
        for place, n in shared.items():
            if n < self._settings.shared_shingles:
                continue
            theirs = wording.content(self._texts[place]).shingles
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
