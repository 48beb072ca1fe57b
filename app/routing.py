"""Routing: the type of a question, from its prompt and the evaluator's mark. First match wins; total."""

from typing import NamedTuple

from app.tasks.base import Task
from app.tasks.multiple_choice import MultipleChoice
from app.tasks.registry import TASKS
from app.types import Question, TaskType

ROUTING = 3
"""Raised with every change after which a question may go to another task. Kept answers depend on it."""
_CHOICE = MultipleChoice()


class Route(NamedTuple):
    """The task a question goes to, and the wording of its prompt that sent it there."""

    task: Task
    reason: str


def explain(question: Question) -> Route:
    """The first task with evidence for the question. The last one takes every question."""
    found = ((task, task.evidence(question)) for task in TASKS)
    return next(Route(task, reason) for task, reason in found if reason is not None)


def doubted(question: Question, task: Task) -> str:
    """Why any answer to the question is a guess: it offers options, and is not to be asked for one; empty otherwise."""
    if question.is_multiple_choice is not False or task.type is TaskType.MULTIPLE_CHOICE:
        return ""
    offer = _CHOICE.offer(question.prompt)
    return f"{offer}, but is marked as no multiple choice" if offer else ""


def route(question: Question) -> Task:
    """The task that a question belongs to."""
    return next((task for task in TASKS[:-1] if task.evidence(question) is not None), TASKS[-1])
