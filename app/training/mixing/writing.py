"""The rows of a split, written and counted."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from app.training.mixing.manifest import OutputFile
from app.training.mixing.token_counts import TokenCounter, TokenSums
from app.training.mixing.watching import Watch
from app.training.row import TrainingRow


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
