"""The starter kit's own format, and any JSON lines that say the same under plainer names.

A field that is missing or cannot be read is an InputError that names line and field.
"""

import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from app.errors import InputError
from app.evaluation.names import BEHAVIOR, MULTILINGUAL, REASONING, SEMANTIC, TRACK_OF, UNDERSTANDING, Metric
from app.tables.raw import RawRow, blank, flag_of, id_of, shown
from app.tables.readers import stem_of
from app.tables.writers import write_table
from app.tasks.answers import literal, string_list
from app.tasks.multiple_choice import MultipleChoice
from app.types import Question, Sample, TaskType

LARGEST_RELEVANCE = 100.0
"""The gain is 2^relevance; anything above this is no relevance grade."""


def read_label(value: object, metric: Metric) -> object:
    """The label in its metric's form; a string that holds a Python literal is read as that literal.

    accuracy: int; hit rate@3: list[int], not empty; ndcg: list[float], not empty; micro f1: list[str];
    others: str, and for the two semantic metrics also list[str], not empty.

    Raises:
        InputError: the value cannot be read so.
    """
    match metric:
        case Metric.ACCURACY:
            return _integer(value)
        case Metric.HIT_RATE_AT_3:
            return _integers(value)
        case Metric.NDCG:
            return _relevances(value)
        case Metric.MICRO_F1:
            return _entities(value)
        case _:
            return _text(value, several=metric in SEMANTIC)


def _integer(value: object) -> int:
    number = literal(value.strip()) if isinstance(value, str) else value
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if isinstance(number, bool) or not isinstance(number, int):
        raise InputError(f"must be a whole number, not {shown(value)}")
    return number


def _integers(value: object) -> list[int]:
    numbers = literal(value.strip()) if isinstance(value, str) else value
    if isinstance(numbers, int | float):
        numbers = [numbers]
    if not isinstance(numbers, list | tuple) or not numbers:
        raise InputError(f"must be a list of whole numbers with at least one in it, not {shown(value)}")
    return [_integer(number) for number in numbers]


def _relevances(value: object) -> list[float]:
    numbers = literal(value.strip()) if isinstance(value, str) else value
    if not isinstance(numbers, list | tuple) or not numbers:
        raise InputError(f"must be a list of relevances, one an option, not {shown(value)}")
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise InputError(f"must be a list of relevances, one an option, not {shown(value)}")
        if not math.isfinite(number) or not 0 <= number <= LARGEST_RELEVANCE:
            raise InputError(f"holds the relevance {number!r}: give 0 to {LARGEST_RELEVANCE:g}")
    return list(numbers)


def _entities(value: object) -> list[str]:
    entities: object = value
    if isinstance(value, str):
        listed = string_list(value.strip())
        entities = [value.strip()] if listed is None else listed
    if not isinstance(entities, list | tuple) or not all(isinstance(entity, str) for entity in entities):
        raise InputError(f"must be a list of texts, not {shown(value)}")
    return list(entities)


def _text(value: object, *, several: bool) -> str | list[str]:
    texts: object = value
    if several and isinstance(value, str):
        texts = value if (listed := string_list(value.strip())) is None else listed
    if isinstance(texts, str) and texts.strip():
        return texts
    if not several:
        raise InputError(f"must be a text that is not blank, not {shown(value)}")
    if isinstance(texts, list | tuple) and texts and all(isinstance(text, str) and text.strip() for text in texts):
        return list(texts)
    raise InputError(f"must be a text, or a list of texts, none of them blank, not {shown(value)}")


GOLD = ("output_field", "target_field", "gold", "target", "answer")
"""Names of the label, in order of preference."""


def kit_samples(rows: Sequence[RawRow], name: str, track: str = "", metric: Metric | None = None) -> list[Sample]:
    """Samples of the development set's format; `track` and `metric` stand in where a row names none.

    `input_field` may be called `prompt`, and `output_field` any of `GOLD`. A row without `id` is known by its number,
    counted from 0, and one without `task_name` by the file's `name`. Choices are scored by accuracy.
    """
    return [_sample(row, name, track, metric) for row in rows]


KIT_COLUMNS = (
    "id", "input_field", "output_field", "task_name", "task_type", "metric", "is_multiple_choice", "track",
)  # fmt: skip


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


def _sample(row: RawRow, name: str, track: str, otherwise: Metric | None) -> Sample:
    metric = _metric(row, otherwise)
    task_type = _task_type(row, metric)
    try:
        identity = id_of(row.values.get("id")) or str(row.index)
    except ValueError as error:
        raise row.refuse("id", f"{error}, not {shown(row.values['id'])}") from error
    field, label = row.value(*GOLD)
    try:
        gold = read_label(label, metric)
    except InputError as error:
        raise row.refuse(field, error) from error
    return Sample(
        question=Question(identity, row.filled("input_field", "prompt"), is_multiple_choice=_flag(row, task_type)),
        task_name=name if blank(row.values.get("task_name")) else row.filled("task_name"),
        task_type=task_type,
        metric=metric.value,
        gold=gold,
        track=TRACK_OF.get(str(row.values.get("capability")), track)
        if blank(row.values.get("track"))
        else row.filled("track"),
    )


def is_choice(row: RawRow) -> bool:
    """Whether a row without a metric is a choice: as it is marked; where it is not, its label and its prompt tell."""
    given = row.values.get("is_multiple_choice")
    if not blank(given):
        return flag_of(given) is True
    prompt = next((row.values[name] for name in ("input_field", "prompt") if row.values.get(name)), None)
    label = next((row.values[name] for name in GOLD if not blank(row.values.get(name))), None)
    one = isinstance(label, int | float | str) and _ONE_LABEL.fullmatch(str(label).strip())
    return bool(one and isinstance(prompt, str) and MultipleChoice().offer(prompt))


_ONE_LABEL = re.compile(r"\d(?:\.0+)?|[A-Za-z]")


def _metric(row: RawRow, otherwise: Metric | None) -> Metric:
    if blank(row.values.get("metric")):
        if is_choice(row):
            return Metric.ACCURACY
        if otherwise is not None:
            return otherwise
    name = row.filled("metric")
    try:
        return Metric(name)
    except ValueError as error:
        raise row.refuse("metric", f"is {name!r}, which is unknown; known: {', '.join(Metric)}") from error


def _task_type(row: RawRow, metric: Metric) -> TaskType:
    if blank(row.values.get("task_type")):
        return metric.task_type
    name = row.filled("task_type")
    if name != metric.task_type:
        raise row.refuse("task_type", f"is {name!r}, which does not go with the metric {metric.value!r}")
    return metric.task_type


def _flag(row: RawRow, task_type: TaskType) -> bool:
    given = flag_of(row.values.get("is_multiple_choice"))
    expected = task_type is TaskType.MULTIPLE_CHOICE
    if not blank(given) and given is not expected:
        raise row.refuse("is_multiple_choice", f"must be {str(expected).lower()} for {task_type.value!r}")
    return expected


GROUPS = ("MCQ", "NER", "Generation", "Retrieval")
"""The collection's folders. Sub-task names repeat between them."""

UNSCORED_METRIC = "bool"
"""Yes-or-no rows: no ShopBench metric reads them."""

_TRACKS = {
    UNDERSTANDING: ("CR", "PE", "EPF", "EPK", "ERK", "PKS", "SPA", "SAP", "NER", "RRA", "RRS", "PR"),
    REASONING: ("ACR",),
    BEHAVIOR: ("PRP", "QPRP", "QPRJ", "SA", "EBT", "PQA", "RTS"),
    MULTILINGUAL: ("MT", "MDM"),
}
_TRACK_OF = {name: track for track, names in _TRACKS.items() for name in names}


def ec_guide_samples(rows: Sequence[RawRow], path: Path) -> tuple[list[Sample], int]:
    """The file's samples, and how many yes-or-no rows were dropped.

    The task is named "MCQ/PRP" after folder and file; tracks follow what each sub-task asks for.
    """
    kept = [row for row in rows if row.values.get("metric") != UNSCORED_METRIC]
    stem = stem_of(path)
    name = f"{path.parent.name}/{stem}" if path.parent.name in GROUPS else stem
    return kit_samples(kept, name, _TRACK_OF.get(stem, "")), len(rows) - len(kept)


def write_kit(samples: Iterable[Sample], path: Path) -> int:
    """Write the samples so that the kit's script reads them (JSON lines, by name CSV or Parquet). Their number.

    The file appears whole or not at all; errors as `write_table`.
    """
    return write_table(path, KIT_COLUMNS, (kit_row(sample) for sample in samples))


FOLDERS = {
    "multiple_choice": TaskType.MULTIPLE_CHOICE,
    "retrieval": TaskType.RETRIEVAL,
    "ranking": TaskType.RANKING,
    "named_entity_recognition": TaskType.NAMED_ENTITY_RECOGNITION,
    "generation": TaskType.GENERATION,
}
"""Shopping MMLU (Jin et al., 2024), the competition's test set as it was published: folders name the task type, files
the task, `multiple_choice/<task>_dataset.csv`, and no file a metric. Multiple-choice tasks are CSV files (`question`,
`choices`, `answer`), the others JSON lines (`input_field`, `target_field`)."""
SUFFIX = "_dataset"


def published_samples(rows: Sequence[RawRow], path: Path) -> tuple[list[Sample], str]:
    """Samples of a file that names no metric, and the note that says by which its free answers are scored.

    Choices are scored by accuracy. Of the others, the folder, the file's name or the first label tells which: of a
    file that is not as Shopping MMLU has it, that has to be said.
    """
    name = stem_of(path).removesuffix(SUFFIX)
    free = next((row for row in rows if not is_choice(row)), None)
    metric = metric_of(_published_type(free, path.parent.name, name), name) if free else Metric.ACCURACY
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


def _published_type(row: RawRow, folder: str, name: str) -> TaskType:
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
