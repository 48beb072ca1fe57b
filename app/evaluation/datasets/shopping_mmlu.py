"""Shopping MMLU (Jin et al., 2024), the competition's test set as it was published, and files like it: no metric.

Multiple-choice tasks are CSV files (`question`, `choices`, `answer`), the others JSON lines (`input_field`,
`target_field`), read with the errors of `kit`.
Folders name the task type, files the task: `multiple_choice/<task>_dataset.csv`.
"""

from collections.abc import Sequence
from pathlib import Path

from app.evaluation.datasets.kit import GOLD, is_choice, kit_samples
from app.evaluation.names import MULTILINGUAL, Metric
from app.tables.raw import RawRow
from app.tables.readers import stem_of
from app.tasks.answers import literal
from app.types import Sample, TaskType

FOLDERS = {
    "multiple_choice": TaskType.MULTIPLE_CHOICE,
    "retrieval": TaskType.RETRIEVAL,
    "ranking": TaskType.RANKING,
    "named_entity_recognition": TaskType.NAMED_ENTITY_RECOGNITION,
    "generation": TaskType.GENERATION,
}
SUFFIX = "_dataset"


def published_samples(rows: Sequence[RawRow], path: Path) -> tuple[list[Sample], str]:
    """Samples of a file that names no metric, and the note that says by which its free answers are scored.

    Choices are scored by accuracy. Of the others, the folder, the file's name or the first label tells which: of a
    file that is not as Shopping MMLU has it, that has to be said.
    """
    name = stem_of(path).removesuffix(SUFFIX)
    free = next((row for row in rows if not is_choice(row)), None)
    metric = metric_of(_task_type(free, path.parent.name, name), name) if free else Metric.ACCURACY
    note = f"{path.name} names no metric: answers that are no choice are scored by {metric.value}"
    # The files name no track; only what is multi-lingual shows in a task's name.
    track = MULTILINGUAL if "multilingual" in name or "translation" in name else ""
    return kit_samples(rows, name, track, metric), note if free and "target_field" not in free.values else ""


def metric_of(task_type: TaskType, name: str) -> Metric:
    """The benchmark's own rules: generation tasks are scored by what their name says, in this order."""
    if task_type is not TaskType.GENERATION:
        return next(metric for metric in Metric if metric.task_type is task_type)
    if "extraction" in name:
        return Metric.ROUGE_L
    if "translation" in name:
        return Metric.JP_BLEU if "JP" in name else Metric.BLEU
    return Metric.MULTILINGUAL_SENT_TRANSFORMER if "multilingual" in name else Metric.SENT_TRANSFORMER


def _task_type(row: RawRow, folder: str, name: str) -> TaskType:
    if folder in FOLDERS:
        return FOLDERS[folder]
    for word, task_type in FOLDERS.items():
        if word in name:
            return task_type
    _, target = row.value(*GOLD)
    value = literal(target.strip()) if isinstance(target, str) else target
    if isinstance(value, list) and value:
        if all(isinstance(part, str) for part in value):
            return TaskType.NAMED_ENTITY_RECOGNITION
        if any(isinstance(part, float) for part in value):
            return TaskType.RANKING
        return TaskType.RETRIEVAL
    return TaskType.GENERATION
