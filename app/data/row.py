"""A training row: a question in ShopBench's form, the text that answers it, and where both come from."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from app.errors import InputError
from app.types import Question, Sample, TaskType


class Capability(StrEnum):
    """The four shopping capabilities of ShopBench (KDD Cup 2024, tracks 1 to 4)."""

    CONCEPT_UNDERSTANDING = "concept_understanding"
    KNOWLEDGE_REASONING = "knowledge_reasoning"
    USER_BEHAVIOUR = "user_behaviour"
    MULTILINGUAL = "multilingual"


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """One row of a mixture. Its JSON form is a ShopBench row with more fields, so it can be evaluated as it is."""

    prompt: str
    """The question as the competition would put it (`input_field`)."""
    target: str
    """The text that the model is taught to write."""
    gold: object
    """The label in ShopBench's form (`output_field`): an index, a list of numbers, relevances, entities, a text."""
    task: str
    """Name of the training task (`task_name`)."""
    task_type: TaskType
    metric: str
    """One of the evaluation's metric names."""
    capability: Capability
    sub_skill: str
    source: str
    """The data set that the row was drawn from."""
    group: str = ""
    """Rows of one group stand on one side of every split; the prompt, where it is empty."""
    language: str = "en"
    wording: int = 0
    """Which of its task's wordings it has, counted from 0."""

    @property
    def sample(self) -> Sample:
        """The row as the evaluation and the router see it."""
        question = Question("", self.prompt, self.task_type is TaskType.MULTIPLE_CHOICE)
        return Sample(question, self.task, self.task_type, self.metric, self.gold, self.capability.value)

    def to_json(self) -> dict[str, object]:
        """The row as one JSON object."""
        return {
            "input_field": self.prompt,
            "output_field": self.gold,
            "task_name": self.task,
            "task_type": self.task_type.value,
            "metric": self.metric,
            "is_multiple_choice": self.task_type is TaskType.MULTIPLE_CHOICE,
            "target": self.target,
            "capability": self.capability.value,
            "sub_skill": self.sub_skill,
            "source": self.source,
            "group": self.group,
            "language": self.language,
            "wording": self.wording,
        }


_TEXTS = {"prompt": "input_field", "task": "task_name"} | {
    name: name for name in ("target", "metric", "sub_skill", "source", "group", "language")
}


def row_from_json(values: Any) -> TrainingRow:  # noqa: ANN401 - whatever stood on the line
    """The row of one JSON object; group, language and wording may be missing.

    Raises:
        InputError: a field is missing or of another type.
    """
    try:
        given = {"group": "", "language": "en", "wording": 0, **values}
        texts = {name: _text(given, key) for name, key in _TEXTS.items()}
        return TrainingRow(
            **texts,
            gold=given["output_field"],
            task_type=TaskType(given["task_type"]),
            capability=Capability(given["capability"]),
            wording=int(given["wording"]),
        )
    except KeyError as error:
        raise InputError(f"a training row needs the field {error}; make rows with 'shopbench data build'") from error
    except (TypeError, ValueError) as error:
        raise InputError(f"not a training row: {error}; make rows with 'shopbench data build'") from error


def _text(values: Mapping[str, Any], key: str) -> str:
    if not isinstance(values[key], str):
        raise TypeError(f"'{key}' must be text")
    return str(values[key])
