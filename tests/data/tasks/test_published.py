"""The tasks of the published sets: every wording goes to its type, and every gold answer scores full marks."""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.data.row import Capability, TrainingRow
from app.data.tasks.declared import SOURCES as ALL_SOURCES
from app.data.tasks.declared import TASKS
from app.data.tasks.task import PublishedSource, TrainingTask
from app.evaluation import metrics
from app.evaluation.names import Metric
from app.routing import route
from app.tasks.registry import task_of
from app.types import TaskType
from tests.data.sources.files import write_published

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"
SOURCES = {name: source for name, source in ALL_SOURCES.items() if isinstance(source, PublishedSource)}
PUBLISHED_TASKS = [task for task in TASKS.values() if task.source in SOURCES]
WITH_WORDINGS = [task for task in PUBLISHED_TASKS if task.source != "EC-Guide"]
REAL = (
    "EC-Guide",
    "IntentionQA",
    "ExtractGPT",
    "ESCI",
    "contextual-product-qa",
    "ditto",
    "IKEA",
    "ShoppingBench",
    "QueryNER",
    "DMASTE",
    "Shopify-taxonomy",
)
"""Sets that lie in the shared folder."""
SCORERS = {
    Metric.ACCURACY: metrics.accuracy,
    Metric.HIT_RATE_AT_3: metrics.hit_rate_at_3,
    Metric.NDCG: metrics.ndcg,
    Metric.ROUGE_L: metrics.rouge_l,
    Metric.BLEU: metrics.bleu,
    Metric.JP_BLEU: metrics.jp_bleu,
}


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    data = write_published(tmp_path_factory.mktemp("data"))
    return {name: list(source.read(data / source.folder, Counter())) for name, source in SOURCES.items()}


def score(row: TrainingRow) -> float:
    """What the target is worth; a text whose encoder is not at hand must be the gold text itself."""
    parsed: Any = task_of(row.task_type).parse(row.target)
    gold: Any = row.gold
    metric = Metric(row.metric)
    if metric is Metric.MICRO_F1:
        return metrics.micro_f1([metrics.entity_counts(parsed, gold)])
    scorer: Any = SCORERS.get(metric)
    return float(scorer(parsed, gold)) if scorer else float(parsed == gold)


def fault(row: TrainingRow) -> str:
    """Why a row does not serve, or nothing."""
    question = row.sample.question
    routed = route(question).type
    if routed is not row.task_type:
        return f"routed to {routed}"
    allowed: Any = task_of(row.task_type).read(question).constraint
    gold: Any = row.gold
    match row.task_type:
        case TaskType.MULTIPLE_CHOICE if row.target not in allowed.labels:
            return f"offers {allowed.labels}"
        case TaskType.RETRIEVAL if not set(gold) <= set(allowed.numbers):
            return f"lists {allowed.numbers}"
        case TaskType.RANKING if len(allowed.numbers) != len(gold):
            return f"lists {allowed.numbers}"
        case TaskType.NAMED_ENTITY_RECOGNITION if not all(span in allowed.source for span in gold):
            return f"copies from {allowed.source!r}"
    return "" if score(row) > 0.999 else f"scores {score(row):.2f}"


def rows(task: TrainingTask[Any], records: list[Any]) -> Iterator[TrainingRow]:
    for index, record in enumerate(records):
        yield from task.draw_rows(record, 0, index)


@pytest.mark.parametrize("task", WITH_WORDINGS, ids=lambda task: task.name)
def test_every_wording_serves(task: TrainingTask[Any], records: dict[str, list[Any]]) -> None:
    found = 0
    for wording in task.wordings:
        worded = replace(task, wordings=(wording,))
        for row in rows(worded, records[task.source]):
            assert not fault(row), row.prompt
            found += 1

    assert found >= len(task.wordings)


def test_the_published_questions_of_ec_guide_serve(records: dict[str, list[Any]]) -> None:
    tasks = [task for task in PUBLISHED_TASKS if task.source == "EC-Guide"]
    drawn = [row for task in tasks for row in rows(task, records["EC-Guide"])]

    assert len(drawn) == len(records["EC-Guide"])
    assert [row.prompt for row in drawn if fault(row)] == []


@pytest.mark.parametrize("task", PUBLISHED_TASKS, ids=lambda task: task.name)
def test_a_declaration_is_of_one_piece(task: TrainingTask[Any]) -> None:
    assert task.source in SOURCES
    assert Metric(task.metric).task_type is task.task_type
    assert task.sub_skill
    assert task.name == task.name.lower().replace(" ", "_")
    assert (task.capability is Capability.MULTILINGUAL) == (
        set(task.languages) != {"en"}
    ) or task.source == "EshopInstruct"


def test_there_are_enough_of_them_for_every_capability_and_type() -> None:
    assert len({task.name for task in PUBLISHED_TASKS}) == len(PUBLISHED_TASKS) >= 40
    assert {task.capability for task in PUBLISHED_TASKS} == set(Capability)
    assert {task.task_type for task in PUBLISHED_TASKS} == set(TaskType)


@pytest.mark.parametrize("task", WITH_WORDINGS, ids=lambda task: task.name)
def test_rows_are_the_same_for_the_same_seed(task: TrainingTask[Any], records: dict[str, list[Any]]) -> None:
    first, again = list(rows(task, records[task.source])), list(rows(task, records[task.source]))

    assert first == again


def test_rows_of_several_languages_say_theirs(records: dict[str, list[Any]]) -> None:
    by_name = {task.name: task for task in PUBLISHED_TASKS}

    assert {row.language for row in rows(by_name["esci_ranking"], records["ESCI"])} == {"en"}
    assert {row.language for row in rows(by_name["esci_ranking_languages"], records["ESCI"])} == {"es", "ja"}
    assert {row.language for row in rows(by_name["m2_next_list_languages"], records["Amazon-M2"])} == {"de", "ja"}


def test_relevances_are_those_of_shopbench(records: dict[str, list[Any]]) -> None:
    by_name = {task.name: task for task in PUBLISHED_TASKS}
    task = by_name["esci_ranking"]
    for draft in task.draw(records["ESCI"][0], random.Random(1)):
        assert isinstance(draft.gold, list)
        assert set(draft.gold) == {1.0, 0.1, 0.01, 0.0}
        assert len(draft.gold) == 5


def test_products_with_fields_are_put_in_words(records: dict[str, list[Any]]) -> None:
    by_name = {task.name: task for task in PUBLISHED_TASKS}
    [row] = rows(by_name["ec_instruct_match"], records["ECInstruct"])

    assert "Product 1: Norvik kettle; price: 19.99\n" in row.prompt
    assert "Product 2: Norvik steel kettle; description: 1.7 litres; manufacturer: Norvik\n" in row.prompt


@pytest.mark.parametrize("name", REAL)
def test_the_real_files_serve(name: str) -> None:
    """Every fortieth record of the real sets, by all tasks."""
    source = SOURCES[name]
    if not source.present(SHARED):
        pytest.skip(f"{SHARED / source.folder} is not there")
    tasks = [task for task in PUBLISHED_TASKS if task.source == name]
    faults: Counter[str] = Counter()
    drawn = 0
    for index, record in enumerate(source.read(SHARED / source.folder, Counter())):
        if index % 40 == 0:
            for task in tasks:
                for row in task.draw_rows(record, 0, index):
                    drawn += 1
                    faults[fault(row)] += 1

    assert drawn > 50
    assert faults[""] / drawn > 0.99, faults
