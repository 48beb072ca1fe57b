"""What one task type says about itself."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from app.types import Answer, Choice, OutputConstraint, Question, SamplingParams, TaskType

READING = 2
"""Raised with every change after which a task reads a prompt or a model's text otherwise. Kept answers depend on it."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a prompt allows as an answer, read once from its text."""

    constraint: OutputConstraint | None
    """The form that the engine must hold to, or None for free text."""
    sampling: SamplingParams
    """Token cap and decoding for this prompt."""
    variables: dict[str, str]
    """What the prompt template may use besides the question."""
    answer: Callable[[str], Answer]
    """The model's text as the evaluator reads it. Never raises, never empty."""

    @property
    def labels(self) -> tuple[str, ...]:
        """What a choice is between; empty for the other types."""
        return self.constraint.labels if isinstance(self.constraint, Choice) else ()

    @property
    def language(self) -> str:
        """What a text is to be written in; empty for the other types."""
        return self.variables.get("language", "")


class Task(Protocol):
    """One task type: when a question belongs to it, and how its answers look."""

    type: TaskType

    def evidence(self, question: Question) -> str | None:
        """Why a question is of this type, judged by its prompt's format: a phrase for people; None where it is not.

        Of a question that the evaluator marks, only multiple choice is asked.
        """
        ...

    def read(self, question: Question) -> Reading:
        """What the prompt allows. Total: a prompt that lists nothing gets the task's default."""
        ...

    def parse(self, answer: str) -> object:
        """The answer as the competition's evaluator (kit parsers 0.1.1) reads it. Total."""
        ...

    def format_target(self, target: object) -> str:
        """A gold label as the text that the model is taught to write.

        Raises:
            InputError: the label is not of this task's form.
        """
        ...
