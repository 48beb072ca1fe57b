"""The task types, first match first. Generation stands last and takes what is left."""

from app.tasks.base import Task
from app.tasks.generation import Generation
from app.tasks.multiple_choice import MultipleChoice
from app.tasks.named_entity_recognition import NamedEntityRecognition
from app.tasks.ranking import Ranking
from app.tasks.retrieval import Retrieval
from app.types import TaskType

TASKS: tuple[Task, ...] = (MultipleChoice(), Ranking(), Retrieval(), NamedEntityRecognition(), Generation())
_BY_TYPE = {task.type: task for task in TASKS}


def task_of(task_type: TaskType) -> Task:
    """The task that speaks for a type."""
    return _BY_TYPE[task_type]
