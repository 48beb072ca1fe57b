"""`shopbench route`: the task type of every question, without an engine."""

from collections import Counter
from pathlib import Path
from typing import Any

from app.errors import InputError
from app.jsonl import Row, dump, read_rows
from app.routing import route
from app.types import TaskType


def route_file(source: Path, target: Path) -> Counter[TaskType | None]:
    """Write `id` and `task_type` for every row of `source`; return how many there are of each type.

    Raises:
        InputError: the source cannot be read, or the target not written.
    """
    counts: Counter[TaskType | None] = Counter()
    partial = target.with_name(target.name + ".part")
    try:
        with partial.open("w", encoding="utf-8") as out:
            for row in read_rows(source):
                routed = _routed(row)
                counts[routed["task_type"]] += 1
                out.write(dump(routed) + "\n")
        partial.replace(target)
    except OSError as error:
        raise InputError(f"cannot write {target}: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)
    return counts


def _routed(row: Row) -> dict[str, Any]:
    if row.question is not None:
        return {"id": row.id, "task_type": route(row.question).type}
    failure = row.failure
    return {"id": row.id, "task_type": None} | (
        {"error": {"code": failure.code, "message": failure.message}} if failure else {}
    )
