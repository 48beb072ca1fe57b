"""What a row answers, in forms that can be compared: within one prompt, and across prompts that differ in wording."""

from collections.abc import Sequence
from typing import cast

from app.tasks.numbered_list import find_lists, principal
from app.training.mixing.text import normal
from app.training.row import TrainingRow
from app.types import TaskType


def answer_of(row: TrainingRow) -> str:
    """The answer as it is meant: order and case do not count where the metric does not see them."""
    match row.task_type:
        case TaskType.MULTIPLE_CHOICE | TaskType.RANKING:
            return str(row.gold)
        case TaskType.RETRIEVAL | TaskType.NAMED_ENTITY_RECOGNITION:
            return repr(sorted({normal(str(part)) for part in _parts(row.gold)}))
        case TaskType.GENERATION:
            return normal(row.target)


def answer_content(row: TrainingRow) -> str:
    """The answer in the words of the prompt: a number becomes the text of its option, so a shuffled list answers alike.

    Empty for generation, whose targets are compared by their own similarity.
    """
    match row.task_type:
        case TaskType.GENERATION:
            return ""
        case TaskType.NAMED_ENTITY_RECOGNITION:
            return answer_of(row)
        case TaskType.RANKING:
            graded = sorted(zip(_options(row), map(str, _parts(row.gold)), strict=False))
            return repr(graded) if graded else answer_of(row)
        case TaskType.MULTIPLE_CHOICE | TaskType.RETRIEVAL:
            listed = principal(find_lists(row.prompt))
            texts = {str(entry.number): normal(entry.text) for entry in listed.entries} if listed else {}
            return repr(sorted({texts.get(str(number), str(number)) for number in _parts(row.gold)}))


def _options(row: TrainingRow) -> list[str]:
    listed = principal(find_lists(row.prompt))
    return [normal(entry.text) for entry in listed.entries] if listed else []


def _parts(gold: object) -> Sequence[object]:
    return cast("Sequence[object]", gold) if isinstance(gold, list | tuple) else (gold,)
