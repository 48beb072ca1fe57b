"""Choosing among the declared tasks."""

from collections.abc import Sequence

from app.errors import SetupError
from app.training.curriculum.registry import TASKS, Declaration, task_named
from app.training.row import Capability
from app.types import TaskType


def select_tasks(
    names: Sequence[str] = (),
    capabilities: Sequence[Capability] = (),
    task_types: Sequence[TaskType] = (),
    sources: Sequence[str] = (),
) -> list[Declaration]:
    """The tasks that fit every filter that says something, in the registry's order.

    Raises:
        SetupError: a name is unknown, or nothing is left.
    """
    asked = {task_named(name).name for name in names}
    chosen = [
        task
        for task in TASKS.values()
        if (not asked or task.name in asked)
        and (not capabilities or task.capability in capabilities)
        and (not task_types or task.task_type in task_types)
        and (not sources or task.source in sources)
    ]
    if not chosen:
        raise SetupError("no training task fits all of these filters; see: shopbench data list")
    return chosen
