"""The rows of a split, written and counted."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from app.data.encoding import RowEncoder
from app.data.mixing.manifest import OutputFile
from app.data.row import TrainingRow
from app.engines.chat import load_chat_tokenizer
from app.prompting import PromptLibrary
from app.settings import ROOT

UNLIMITED = 2**31
"""Tokens: nothing is cut to be counted."""


@dataclass(slots=True)
class TokenSums:
    """Tokens of prompts, in the conversation that serving sends, and of answers with their end."""

    prompt: int = 0
    answer: int = 0


class TokenCounter:
    """Rows encoded as in training, with a checkpoint's tokenizer and the project's prompts."""

    def __init__(self, checkpoint: str) -> None:
        """Load the tokenizer of a checkpoint: a folder or a hub name.

        Raises:
            SetupError: it cannot be loaded, or has no chat template.
        """
        self._encoder = RowEncoder(load_chat_tokenizer(checkpoint), PromptLibrary(ROOT / "prompts"), UNLIMITED)

    def add(self, row: TrainingRow, sums: TokenSums) -> None:
        """Count one row."""
        encoded = self._encoder.encode(row)
        sums.prompt += len(encoded.prompt)
        sums.answer += len(encoded.answer)


class Watch(Protocol):
    """Told of each phase and of each step in it."""

    def phase(self, name: str, total: int) -> None:
        """A phase of `total` steps begins."""
        ...

    def advance(self, steps: int = 1) -> None:
        """So many steps of the phase are done."""
        ...


class Unwatched:
    """Tells nobody."""

    def phase(self, name: str, total: int) -> None:
        """Pass it over."""

    def advance(self, steps: int = 1) -> None:
        """Pass it over."""


@dataclass(frozen=True, slots=True)
class Written:
    """A file of rows, and how many there are of what."""

    file: OutputFile
    tasks: Counter[str]
    sources: Counter[str]
    capabilities: Counter[str]
    task_types: Counter[str]


@dataclass(slots=True)
class _Counts:
    tasks: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    capabilities: Counter[str] = field(default_factory=Counter)
    task_types: Counter[str] = field(default_factory=Counter)

    def add(self, row: TrainingRow) -> None:
        self.tasks[row.task] += 1
        self.sources[row.source] += 1
        self.capabilities[row.capability.value] += 1
        self.task_types[row.task_type.value] += 1


def write_rows(path: Path, rows: Iterable[TrainingRow], tokens: TokenCounter | None, watch: Watch) -> Written:
    """Write JSON lines, which the evaluation reads too.

    Raises:
        OSError: the disk takes no more.
    """
    counts = _Counts()
    sums = TokenSums()
    hashed = hashlib.sha256()
    size = 0
    with path.open("wb") as out:
        for row in rows:
            line = json.dumps(row.to_json(), ensure_ascii=False).encode() + b"\n"
            hashed.update(line)
            size += out.write(line)
            counts.add(row)
            if tokens:
                tokens.add(row, sums)
            watch.advance()
    file = OutputFile(
        rows=counts.tasks.total(),
        bytes=size,
        sha256=hashed.hexdigest(),
        prompt_tokens=sums.prompt if tokens else None,
        answer_tokens=sums.answer if tokens else None,
    )
    return Written(file, counts.tasks, counts.sources, counts.capabilities, counts.task_types)
