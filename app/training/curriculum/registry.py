"""Every training task and every source, by name. A new task is one declaration in one of the modules joined here."""

from collections import Counter
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from app.errors import SetupError
from app.training.curriculum import (
    behaviour_queries,
    behaviour_reviews,
    behaviour_sessions,
    concept_attributes,
    concept_categories,
    concept_reviews,
    knowledge_numbers,
    knowledge_relations,
    multilingual_matching,
    multilingual_translation,
)
from app.training.curriculum.declaring import CATALOGUE_SOURCE
from app.training.curriculum.published import PUBLISHED_TASKS
from app.training.curriculum.source import GeneratedSource, Source
from app.training.curriculum.task import TrainingTask
from app.training.row import TrainingRow
from app.training.sources.published import PUBLISHED

Declaration = TrainingTask[Any]
"""A task, whatever its source's records are."""
T = TypeVar("T", Declaration, Source)


def join(*tables: Iterable[T]) -> dict[str, T]:
    """One table of all declarations by name, in order.

    Raises:
        SetupError: two of them have one name.
    """
    declared = [one for table in tables for one in table]
    twice = [name for name, times in Counter(one.name for one in declared).items() if times > 1]
    if twice:
        raise SetupError(f"declared twice: {', '.join(twice)}; give each training task and source a name of its own")
    return {one.name: one for one in declared}


SOURCES: dict[str, Source] = join((CATALOGUE_SOURCE,), PUBLISHED)
TASKS: dict[str, Declaration] = join(
    concept_categories.TASKS,
    concept_attributes.TASKS,
    concept_reviews.TASKS,
    knowledge_numbers.TASKS,
    knowledge_relations.TASKS,
    behaviour_queries.TASKS,
    behaviour_sessions.TASKS,
    behaviour_reviews.TASKS,
    multilingual_translation.TASKS,
    multilingual_matching.TASKS,
    PUBLISHED_TASKS,
)


def task_named(name: str) -> Declaration:
    """The task of a name.

    Raises:
        SetupError: there is none; the message has the nearest names.
    """
    if name not in TASKS:
        near = ", ".join(map(repr, get_close_matches(name, TASKS, n=3)))
        raise SetupError(f"unknown training task {name!r}; {f'near: {near}' if near else 'see: shopbench data list'}")
    return TASKS[name]


def source_of(task: Declaration) -> Source:
    """Where a task's records come from."""
    return SOURCES[task.source]


def rows_of(task: Declaration, data: Path, seed: int, faults: Counter[str], first: int = 0) -> Iterator[TrainingRow]:
    """A task's rows, lazily: of a published source as many as it has, of a generated one without end.

    `data` holds the published sources' folders, `faults` counts the records that their readers mend or drop, and
    `first` is the number of records to pass over (at no cost where the source is generated).

    Raises:
        SetupError: the source is not there.
        InputError: a file is not what its data set publishes.
    """
    source = source_of(task)
    if isinstance(source, GeneratedSource):
        yield from (draw_row(task, seed, index) for index in count(first))
        return
    if not source.present(data):
        raise SetupError(f"no {data / source.folder}: get {source.name} from {source.home} or leave its tasks out")
    for index, record in enumerate(source.read(data / source.folder, faults)):
        if index >= first:
            yield from task.draw_rows(record, seed, index)


def draw_row(task: Declaration, seed: int, index: int) -> TrainingRow:
    """The row at one place of a generated task's endless stream, the same whatever else is drawn.

    Raises:
        SetupError: the task's source is a published one, which has to be read from its start.
    """
    made = _made(task.source, seed)
    return next(task.draw_rows(made, seed, index))


@lru_cache(maxsize=8)
def _made(name: str, seed: int) -> object:
    source = SOURCES[name]
    if not isinstance(source, GeneratedSource):
        raise SetupError(f"{name} is published, so its rows have no place of their own; read it with 'rows_of'")
    return source.make(seed)
