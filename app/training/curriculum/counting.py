"""How many rows each task has to offer."""

import random
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from app.training.curriculum.registry import SOURCES, Declaration
from app.training.curriculum.source import GeneratedSource

UNBOUNDED = "unbounded"
ABSENT = "absent"


def count_rows(tasks: Iterable[Declaration], data: Path) -> dict[str, int | str]:
    """Rows by task name: a number, `UNBOUNDED` for a generated source, `ABSENT` where `data` does not hold the source.

    Each source is read once; nothing is worded.

    Raises:
        InputError: a file is not what its data set publishes.
    """
    by_source: dict[str, list[Declaration]] = {}
    for task in tasks:
        by_source.setdefault(task.source, []).append(task)
    counts: dict[str, int | str] = {}
    for name, sharing in by_source.items():
        source = SOURCES[name]
        if isinstance(source, GeneratedSource):
            counts.update(dict.fromkeys((task.name for task in sharing), UNBOUNDED))
        elif not source.present(data):
            counts.update(dict.fromkeys((task.name for task in sharing), ABSENT))
        else:
            counts.update(_counted(sharing, source.read(data / source.folder, Counter())))
    return counts


def _counted(tasks: list[Declaration], records: Iterable[object]) -> dict[str, int]:
    counts = {task.name: 0 for task in tasks}
    for index, record in enumerate(records):
        for task in tasks:
            counts[task.name] += sum(1 for _ in task.draw(record, random.Random(f"0/{task.name}/{index}")))
    return counts
