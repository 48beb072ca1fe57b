"""`shopbench data list`: the training tasks, and how many rows each has to offer."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table
from rich.text import Text

from app.commands.output import stdout
from app.training.curriculum.counting import count_rows
from app.training.curriculum.registry import Declaration
from app.training.row import Capability
from app.types import TaskType

_SHORT = {
    TaskType.MULTIPLE_CHOICE: "choice",
    TaskType.RANKING: "ranking",
    TaskType.RETRIEVAL: "retrieval",
    TaskType.NAMED_ENTITY_RECOGNITION: "entities",
    TaskType.GENERATION: "generation",
}


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
    """A table on standard output, the tasks of a capability under its name."""
    table = Table(title=f"{len(listed)} training tasks", title_justify="left")
    table.add_column("task", no_wrap=True)
    table.add_column("sub-skill", overflow="fold")
    table.add_column("type and metric", overflow="fold")
    table.add_column("source")
    table.add_column("wordings", justify="right")
    table.add_column("rows", justify="right")
    for capability in Capability:
        members = [one for one in listed if one.task.capability is capability]
        if members:
            table.add_row(Text(f"{capability.value.replace('_', ' ')} ({len(members)})", style="bold"))
            for one in members:
                table.add_row(*_cells(one))
            table.add_section()
    stdout.print(table)


def _cells(one: ListedTask) -> tuple[str, ...]:
    task = one.task
    return (
        f"  {task.name}",
        task.sub_skill,
        f"{_SHORT[task.task_type]}, {task.metric}",
        task.source,
        str(len(task.wordings)),
        f"{one.rows:,}" if isinstance(one.rows, int) else one.rows,
    )
