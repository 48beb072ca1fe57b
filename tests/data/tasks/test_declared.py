"""One table of tasks, one of sources."""

from collections import Counter
from pathlib import Path

import pytest

from app.data.row import Capability
from app.data.tasks.declared import (
    ABSENT,
    SOURCES,
    TASKS,
    UNBOUNDED,
    count_rows,
    draw_row,
    join,
    select_tasks,
    task_named,
)
from app.data.tasks.task import PublishedSource
from app.errors import SetupError
from app.evaluation.names import Metric
from app.types import TaskType

PUBLISHED = next(task for task in TASKS.values() if isinstance(SOURCES[task.source], PublishedSource))


def test_every_task_has_a_source_and_a_metric_for_its_type() -> None:
    for name, task in TASKS.items():
        assert task.source in SOURCES, name
        assert Metric(task.metric).task_type is task.task_type, name
        assert name == name.lower()
        assert " " not in name


def test_an_unknown_name_lists_the_near_ones() -> None:
    with pytest.raises(SetupError, match=r"unknown training task 'next_qery'; near: 'next_query'"):
        task_named("next_qery")


def test_two_declarations_of_one_name_are_refused() -> None:
    task = TASKS["next_query"]
    with pytest.raises(SetupError, match="declared twice: next_query"):
        join((task,), (task,))


def test_the_rows_of_a_published_source_have_no_place_of_their_own() -> None:
    with pytest.raises(SetupError, match="published"):
        draw_row(PUBLISHED, 0, 0)


def test_counts_tell_endless_from_absent(tmp_path: Path) -> None:
    counts = count_rows([TASKS["next_query"], PUBLISHED], tmp_path)
    assert counts == {"next_query": UNBOUNDED, PUBLISHED.name: ABSENT}


def test_counts_of_a_present_source_are_the_rows_that_it_gives() -> None:
    data = Path("../shared/data")
    if not (data / "ExtractGPT").is_dir():
        pytest.skip(f"no published data in {data.resolve()}")
    task = TASKS["extract_gpt_attribute"]
    source = SOURCES[task.source]
    assert isinstance(source, PublishedSource)
    records = enumerate(source.read(data / source.folder, Counter()))
    rows = sum(1 for index, record in records for _ in task.draw_rows(record, 0, index))
    assert count_rows([task], data) == {task.name: rows}
    assert rows > 1000


def test_filters_join() -> None:
    chosen = select_tasks(capabilities=[Capability.MULTILINGUAL], task_types=[TaskType.RANKING], sources=["catalogue"])
    assert [task.name for task in chosen] == ["foreign_query_ranking"]
    with pytest.raises(SetupError, match="no training task fits"):
        select_tasks(["next_query"], [Capability.MULTILINGUAL])
