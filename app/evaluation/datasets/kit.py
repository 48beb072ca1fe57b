"""The starter kit's own format, and any JSON lines that say the same under plainer names."""

from collections.abc import Sequence
from typing import Any

from app.errors import InputError
from app.evaluation.datasets.labels import read_label
from app.evaluation.datasets.rows import FileRow
from app.evaluation.metric_names import Metric
from app.types import Question, Sample, TaskType

PROMPT = ("input_field", "prompt")
LABEL = ("output_field", "target_field", "gold", "target", "answer")


def kit_samples(rows: Sequence[FileRow], track: str = "") -> list[Sample]:
    """Samples of the development set's format; `track` stands in where a row names none.

    `input_field` may be called `prompt`, and `output_field` `target_field`, `gold`, `target` or `answer`.
    A row without `id` is known by its number, counted from 0, and one without `task_name` by its file's name.

    Raises:
        InputError: a field is missing or cannot be read; the message names line and field.
    """
    return [_sample(row, number, track) for number, row in enumerate(rows)]


def labelled(row: FileRow, metric: Metric, *names: str) -> object:
    """The row's gold label in the metric's form.

    Raises:
        InputError: the label is missing or malformed; the message names line and field.
    """
    name, value = row.value(*names)
    try:
        return read_label(value, metric)
    except InputError as error:
        raise row.refuse(name, error) from error


def kit_row(sample: Sample) -> dict[str, Any]:
    """The sample in the kit's format, with its id."""
    return {
        "id": sample.question.id,
        "input_field": sample.question.prompt,
        "output_field": sample.gold,
        "task_name": sample.task_name,
        "task_type": sample.task_type.value,
        "metric": sample.metric,
        "is_multiple_choice": sample.question.is_multiple_choice,
        "track": sample.track,
    }


def _sample(row: FileRow, number: int, track: str) -> Sample:
    metric = _metric(row)
    task_type = _task_type(row, metric)
    return Sample(
        question=Question(id=identity(row, number), prompt=row.text(*PROMPT), is_multiple_choice=_flag(row, task_type)),
        task_name=row.text("task_name") if row.fields.get("task_name") else row.path.stem,
        task_type=task_type,
        metric=metric.value,
        gold=labelled(row, metric, *LABEL),
        track=row.text("track") if row.fields.get("track") else track,
    )


def identity(row: FileRow, number: int) -> str:
    """The row's own id, else its number."""
    given = row.fields.get("id")
    if isinstance(given, bool) or not isinstance(given, str | int):
        return str(number)
    return str(number) if any("\ud800" <= char <= "\udfff" for char in str(given)) else str(given)


def _metric(row: FileRow) -> Metric:
    name = row.text("metric")
    try:
        return Metric(name)
    except ValueError as error:
        raise row.refuse("metric", f"unknown metric {name!r}; known: {', '.join(Metric)}") from error


def _task_type(row: FileRow, metric: Metric) -> TaskType:
    if not row.fields.get("task_type"):
        return metric.task_type
    name = row.text("task_type")
    if name != metric.task_type:
        raise row.refuse("task_type", f"{name!r} does not go with the metric {metric.value!r}")
    return metric.task_type


def _flag(row: FileRow, task_type: TaskType) -> bool:
    given = row.fields.get("is_multiple_choice")
    expected = task_type is TaskType.MULTIPLE_CHOICE
    if given is not None and given is not expected:
        raise row.refuse("is_multiple_choice", f"must be {str(expected).lower()} for {task_type.value!r}")
    return expected
