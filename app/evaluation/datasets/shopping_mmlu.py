"""Shopping MMLU (Jin et al., 2024): the competition's test set as it was published.

Multiple-choice tasks are CSV files (`question`, `choices`, `answer`), the others JSON lines (`input_field`,
`target_field`), read with the errors of `kit`.
Folders name the task type, files the task: `multiple_choice/<task>_dataset.csv`.
"""

from collections.abc import Sequence
from pathlib import Path

from app.evaluation.datasets.kit import identity, labelled
from app.evaluation.names import MULTILINGUAL, Metric
from app.tables.raw import RawRow
from app.tasks.answers import literal
from app.types import Question, Sample, TaskType

FOLDERS = {
    "multiple_choice": TaskType.MULTIPLE_CHOICE,
    "retrieval": TaskType.RETRIEVAL,
    "ranking": TaskType.RANKING,
    "named_entity_recognition": TaskType.NAMED_ENTITY_RECOGNITION,
    "generation": TaskType.GENERATION,
}
SUFFIX = "_dataset"
RATING = "review_rating_prediction"
"""Its answer is the rating itself, 1 to 5, and it lists no options."""


def choice_samples(rows: Sequence[RawRow], path: Path) -> list[Sample]:
    """Multiple-choice samples of one CSV file, asked in the form of the development set."""
    name = task_name(path)
    return [
        Sample(
            Question(identity(row), _choice_prompt(row, name), is_multiple_choice=True),
            name,
            TaskType.MULTIPLE_CHOICE,
            Metric.ACCURACY.value,
            labelled(row, Metric.ACCURACY, "answer"),
            _track(name),
        )
        for row in rows
    ]


def free_samples(rows: Sequence[RawRow], path: Path) -> list[Sample]:
    """Samples of one JSON file of any other type; its folder, its name or its labels tell which."""
    name = task_name(path)
    metric = metric_of(_task_type(rows[0], path.parent.name, name), name)
    return [
        Sample(
            Question(identity(row), row.filled("input_field")),
            name,
            metric.task_type,
            metric.value,
            labelled(row, metric, "target_field"),
            _track(name),
        )
        for row in rows
    ]


def task_name(path: Path) -> str:
    """The file's name without its ending."""
    return path.stem.removesuffix(SUFFIX)


def metric_of(task_type: TaskType, name: str) -> Metric:
    """The benchmark's own rules: generation tasks are scored by what their name says, in this order."""
    if task_type is not TaskType.GENERATION:
        return next(metric for metric in Metric if metric.task_type is task_type)
    if "extraction" in name:
        return Metric.ROUGE_L
    if "translation" in name:
        return Metric.JP_BLEU if "JP" in name else Metric.BLEU
    return Metric.MULTILINGUAL_SENT_TRANSFORMER if "multilingual" in name else Metric.SENT_TRANSFORMER


def _choice_prompt(row: RawRow, name: str) -> str:
    question = row.filled("question")
    if RATING in name:
        return f"{question}\nAnswer: "
    choices = literal(row.filled("choices").strip())
    if not isinstance(choices, list | tuple) or len(choices) < 2:
        raise row.refuse("choices", "must be a Python list of at least two options")
    options = "".join(f"\n{number}. {choice}" for number, choice in enumerate(choices))
    return f"{question}{options}\nAnswer: "


def _task_type(row: RawRow, folder: str, name: str) -> TaskType:
    if folder in FOLDERS:
        return FOLDERS[folder]
    for word, task_type in FOLDERS.items():
        if word in name:
            return task_type
    _, target = row.value("target_field")
    value = literal(target.strip()) if isinstance(target, str) else target
    if isinstance(value, list) and value:
        if all(isinstance(part, str) for part in value):
            return TaskType.NAMED_ENTITY_RECOGNITION
        if any(isinstance(part, float) for part in value):
            return TaskType.RANKING
        return TaskType.RETRIEVAL
    return TaskType.GENERATION


def _track(name: str) -> str:
    """The files name no track; only what is multi-lingual shows in a task's name."""
    return MULTILINGUAL if "multilingual" in name or "translation" in name else ""
