"""`shopbench route`: the task type of every question, without an engine."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.jsonl import Row, read_rows
from app.routing import route
from app.types import TaskType
from app.whole_file import write_lines


def route_file(source: Path, target: Path) -> Counter[TaskType | None]:
    """Write `id` and `task_type` for every row of `source`; return how many there are of each type.

    Raises:
        InputError: the source cannot be read.
        SetupError: the target cannot be written.
    """
    counts: Counter[TaskType | None] = Counter()

    def routed() -> Iterator[dict[str, Any]]:
        for row in read_rows(source):
            found = _routed(row)
            counts[found["task_type"]] += 1
            yield found

    write_lines(target, routed())
    return counts


def _routed(row: Row) -> dict[str, Any]:
    if row.question is not None:
        return {"id": row.id, "task_type": route(row.question).type}
    failure = row.failure
    return {"id": row.id, "task_type": None} | (
        {"error": {"code": failure.code, "message": failure.message}} if failure else {}
    )
