"""What one task type says about itself."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from app.tasks.lists import NumberedList
from app.types import Answer, Choice, OutputConstraint, Question, SamplingParams, TaskType

READING = 5
"""Raised with every change after which a task reads a prompt or a model's text otherwise. Kept answers depend on it."""


@dataclass(frozen=True, slots=True)
class Options:
    """A question's options apart from the question."""

    prompt: str
    found: NumberedList
    """Where they stand in the prompt."""
    labels: tuple[str, ...]
    texts: tuple[str, ...]
    """What each label stands for, in one line, none blank."""

    @classmethod
    def of(cls, prompt: str, found: NumberedList | None) -> "Options | None":
        """The entries of a list; None where there is none, or one of them has no text."""
        entries = found.entries if found else ()
        texts = tuple(_cut(" ".join(entry.text.split())) for entry in entries)
        if found is None or not all(texts):
            return None
        return cls(prompt, found, found.labels, texts)

    @property
    def stem(self) -> str:
        """The question without them."""
        before, after = self.prompt[: self.found.start].rstrip(), self.prompt[self.found.end :].strip()
        return f"{before}\n{after}".strip()

    def rotated(self, places: int) -> str:
        """The prompt with each text so many places further up, the first ones behind the last."""
        texts = [entry.text for entry in self.found.entries]
        return self._with([*texts[places:], *texts[:places]])

    def emptied(self, content: str) -> str:
        """The list alone, without anything that could be chosen by its content."""
        entries = self.found.entries
        return f"{content}\n{self._with([content] * len(entries))[self.found.start :].strip()}"

    def _with(self, texts: Sequence[str]) -> str:
        pieces, end = [], 0
        for entry, text in zip(self.found.entries, texts, strict=True):
            pieces += [self.prompt[end : entry.start], text]
            end = entry.end
        return "".join([*pieces, self.prompt[end:]])


_LONGEST_TEXT = 400
"""Characters of an option that are compared."""


def _cut(text: str) -> str:
    """The text, a longer one up to the end of a word."""
    return text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT].rsplit(" ", 1)[0]


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
    options: Options | None = None
    """The options that the constraint's labels or numbers stand for, where the prompt lists them."""
    doubt: str = ""
    """Why any answer is a guess, whatever the model writes; empty where nothing speaks against it."""

    @property
    def labels(self) -> tuple[str, ...]:
        """What a choice is between; empty for the other types."""
        return self.constraint.labels if isinstance(self.constraint, Choice) else ()


class Task(Protocol):
    """One task type: when a question belongs to it, and how its answers look."""

    type: TaskType

    def evidence(self, question: Question) -> str | None:
        """Why a question is of this type, judged by its prompt's format: a phrase for people; None where it is not.

        Where the evaluator says whether it is multiple choice, that alone decides about multiple choice.
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
