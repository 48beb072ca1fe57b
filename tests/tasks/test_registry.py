from app.tasks.registry import TASKS, task_of
from app.types import TaskType


def test_every_type_has_one_task_and_generation_stands_last() -> None:
    assert sorted(task.type for task in TASKS) == sorted(TaskType)
    assert TASKS[-1].type is TaskType.GENERATION
    assert all(task_of(task.type) is task for task in TASKS)
