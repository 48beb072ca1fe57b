"""`shopbench data list`: the training tasks, and how many rows each has to offer."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from app.commands.output import stdout
from app.training.curriculum.counting import count_rows
from app.training.curriculum.registry import Declaration

COLUMNS = ("task", "capability", "sub-skill", "type", "metric", "source", "wordings", "rows")


@dataclass(frozen=True, slots=True)
class ListedTask:
    """One line of the list. `rows` is a number, "unbounded" or "absent"."""

    task: Declaration
    rows: int | str

    def to_json(self) -> dict[str, object]:
        """The line as one JSON object."""
        task = self.task
        return {
            "task": task.name,
            "capability": task.capability.value,
            "sub_skill": task.sub_skill,
            "task_type": task.task_type.value,
            "metric": task.metric,
            "source": task.source,
            "languages": list(task.languages),
            "wordings": len(task.wordings),
            "rows": self.rows,
        }


def list_tasks(tasks: Sequence[Declaration], data: Path) -> list[ListedTask]:
    """The tasks with the rows that `data` and the generated sources have for them. Errors as `count_rows`."""
    counts = count_rows(tasks, data)
    return [ListedTask(task, counts[task.name]) for task in tasks]


def print_json(listed: Sequence[ListedTask]) -> None:
    """One JSON array on standard output."""
    stdout.print(json.dumps([one.to_json() for one in listed], indent=1), markup=False, soft_wrap=True)


def print_table(listed: Sequence[ListedTask]) -> None:
    """A table on standard output."""
    table = Table(title=f"{len(listed)} training tasks", title_justify="left")
    for name in COLUMNS:
        table.add_column(name, justify="right" if name in {"wordings", "rows"} else "left", overflow="fold")
    for one in listed:
        table.add_row(*_cells(one))
    stdout.print(table)


def _cells(one: ListedTask) -> tuple[str, ...]:
    task = one.task
    return (
        task.name,
        task.capability.value.replace("_", " "),
        task.sub_skill,
        task.task_type.value.replace("_", " "),
        task.metric,
        task.source,
        str(len(task.wordings)),
        f"{one.rows:,}" if isinstance(one.rows, int) else one.rows,
    )
