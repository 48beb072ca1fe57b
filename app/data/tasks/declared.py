"""Every training task and every source, by name. A new task is one declaration in one of the modules joined here."""

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from app.data.row import Capability, TrainingRow
from app.data.sources import (
    amazon_m2,
    amazon_reviews,
    ditto,
    dmaste,
    ec_guide,
    ec_instruct,
    esci_tasks,
    eshop_instruct,
    gsm8k,
    ikea,
    intention_qa,
    product_qa,
    queryner,
    shopify_tasks,
    shopping_bench,
    title_values,
)
from app.data.tasks import behaviour, concepts, knowledge, multilingual
from app.data.tasks.task import GeneratedSource, Source, TrainingTask
from app.errors import SetupError
from app.types import TaskType

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


_PUBLISHED = (
    ec_guide, title_values, intention_qa, esci_tasks, amazon_m2, amazon_reviews, ec_instruct, eshop_instruct,
    gsm8k, product_qa, queryner, ditto, ikea, shopping_bench, dmaste, shopify_tasks,
)  # fmt: skip
SOURCES: dict[str, Source] = join((concepts.CATALOGUE,), *(module.SOURCES for module in _PUBLISHED))
TASKS: dict[str, Declaration] = join(
    *(module.TASKS for module in (concepts, knowledge, behaviour, multilingual)),
    *(module.TASKS for module in _PUBLISHED),
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
        raise SetupError(f"{name} is published, so its rows have no place of their own")
    return source.make(seed)


def select_tasks(
    names: Sequence[str] = (),
    capabilities: Sequence[Capability] = (),
    task_types: Sequence[TaskType] = (),
    sources: Sequence[str] = (),
) -> list[Declaration]:
    """The tasks that fit every filter that says something, in the registry's order.

    Raises:
        SetupError: a name is unknown, or nothing is left.
    """
    asked = {task_named(name).name for name in names}
    chosen = [
        task
        for task in TASKS.values()
        if (not asked or task.name in asked)
        and (not capabilities or task.capability in capabilities)
        and (not task_types or task.task_type in task_types)
        and (not sources or task.source in sources)
    ]
    if not chosen:
        raise SetupError("no training task fits all of these filters; see: shopbench data list")
    return chosen


UNBOUNDED = "unbounded"
ABSENT = "absent"


def count_rows(tasks: Iterable[Declaration], data: Path) -> dict[str, int | str]:
    """Rows by task name: a number, `UNBOUNDED` for a generated source, `ABSENT` where `data` does not hold the source.

    Each source is read once; nothing is worded.

    Raises:
        InputError: a file is not what its data set publishes.
    """
    by_source: dict[str, list[Declaration]] = {}
    for task in tasks:
        by_source.setdefault(task.source, []).append(task)
    counts: dict[str, int | str] = {}
    for name, sharing in by_source.items():
        source = SOURCES[name]
        if isinstance(source, GeneratedSource):
            counts.update(dict.fromkeys((task.name for task in sharing), UNBOUNDED))
        elif not source.present(data):
            counts.update(dict.fromkeys((task.name for task in sharing), ABSENT))
        else:
            counts.update(_counted(sharing, source.read(data / source.folder, Counter())))
    return counts


def _counted(tasks: list[Declaration], records: Iterable[object]) -> dict[str, int]:
    counts = {task.name: 0 for task in tasks}
    for index, record in enumerate(records):
        for task in tasks:
            counts[task.name] += sum(1 for _ in task.draw(record, random.Random(f"0/{task.name}/{index}")))
    return counts
