"""The examples of a run: read, checked against the evaluation files, and split."""

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from app.errors import InputError, SetupError
from app.training.pretraining.examples import Example, is_heldout
from app.training.pretraining.settings import DataSettings
from app.training.pretraining.sources import read_sources

LINE_LENGTH = 60
"""A shared line of at least so many characters is an overlap, unless it is an instruction."""
INSTRUCTION_ROWS = 5
"""A line that stands in more rows than this is wording, not content."""


@dataclass(slots=True)
class Corpus:
    """Two disjoint lists, and what happened on the way to them."""

    train: list[Example] = field(default_factory=list)
    heldout: list[Example] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)


def build_corpus(settings: DataSettings) -> Corpus:
    """Read the data sets, refuse what overlaps the evaluation files, split the rest.

    Raises:
        SetupError: a folder or an evaluation file is missing.
        InputError: a file has the wrong schema.
    """
    corpus = Corpus()
    examples = list(read_sources(settings.folder, corpus.faults))
    prompts = [prompt for path in settings.evaluation_files for prompt in read_prompts(path)]
    for example in refuse_overlap(examples, prompts, corpus.faults):
        side = corpus.heldout if is_heldout(example, settings.heldout_fraction) else corpus.train
        side.append(example)
    return corpus


def read_prompts(path: Path) -> list[str]:
    """The prompts of an evaluation file.

    Raises:
        SetupError: the file cannot be read.
        InputError: a line has no `input_field`.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise SetupError(f"cannot read the evaluation file {path}: {error.strerror}") from error
    try:
        return [json.loads(line)["input_field"] for line in lines if line.strip()]
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path}: a line has no 'input_field': {error!r}") from error


def refuse_overlap(examples: list[Example], evaluation_prompts: Iterable[str], faults: Counter[str]) -> list[Example]:
    """The examples that share neither the prompt nor a line of content with an evaluation prompt."""
    prompts = set()
    lines = set()
    for prompt in evaluation_prompts:
        prompts.add(_normal(prompt))
        lines.update(_content_lines(prompt))
    if not prompts:
        return examples
    shared = [lines & _content_lines(example.prompt) for example in examples]
    rows = Counter(line for found in shared for line in found)
    kept = []
    for example, found in zip(examples, shared, strict=True):
        content = any(rows[line] <= INSTRUCTION_ROWS for line in found)
        if content or _normal(example.prompt) in prompts:
            faults[f"{example.source}: overlaps an evaluation file, refused"] += 1
        else:
            kept.append(example)
    return kept


def _normal(text: str) -> str:
    return " ".join(text.casefold().split())


def _content_lines(prompt: str) -> set[str]:
    stripped = (_normal(re.sub(r"^\s*(\d+\.|[\w ]{1,20}:)\s*", "", line)) for line in prompt.splitlines())
    return {line for line in stripped if len(line) >= LINE_LENGTH}
