"""Every task of the catalogue: any row, in any wording, routes to its type and its gold answer scores full marks."""

import json
import re
from collections import Counter
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.data.catalogue.catalogue import Catalogue
from app.data.row import Capability, TrainingRow
from app.data.tasks.declared import TASKS, draw_row
from app.data.tasks.task import TrainingTask
from app.evaluation.datasets.kit import read_label
from app.evaluation.names import SEMANTIC, Metric
from app.evaluation.scoring import Scorer
from app.routing import route
from app.tasks.registry import task_of
from app.types import Outcome, TaskType

CatalogueTask = TrainingTask[Catalogue]
CATALOGUE_TASKS: list[CatalogueTask] = [task for task in TASKS.values() if task.source == "catalogue"]
places = st.integers(min_value=0, max_value=10**9)
few = settings(max_examples=4, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer()


def listed(row: TrainingRow) -> list[str]:
    return re.findall(r"^\d{1,2}[.)]\s*(.+)$", row.prompt, re.MULTILINE)


@pytest.mark.parametrize("task", CATALOGUE_TASKS, ids=lambda task: task.name)
@few
@given(seed=places, index=places)
def test_in_every_wording_a_row_routes_to_its_type_and_its_target_scores_full_marks(
    task: CatalogueTask, scorer: Scorer, seed: int, index: int
) -> None:
    for wording in task.wordings:
        row = next(replace(task, wordings=(wording,)).draw_rows(Catalogue(seed % 3), seed, index))
        question = row.sample.question
        assert route(question).type is task.task_type, row.prompt
        answer = task_of(task.task_type).read(question).answer(row.target)
        assert (answer.text, answer.outcome) == (row.target, Outcome.CLEAN), row.prompt
        assert read_label(row.gold, Metric(row.metric)) == row.gold
        if Metric(row.metric) in SEMANTIC:  # a text is as near to itself as can be; no encoder is needed to know
            assert task_of(row.task_type).parse(row.target) == row.gold
        else:
            assert scorer.score([row.sample], [row.target])[0].score == pytest.approx(1.0), row


@pytest.mark.parametrize("task", CATALOGUE_TASKS, ids=lambda task: task.name)
def test_options_differ_and_labels_are_spread(task: CatalogueTask) -> None:
    rows = [draw_row(task, 5, index) for index in range(40)]
    for row in rows:
        assert row.language in task.languages
        options = listed(row)
        assert len(set(options)) == len(options), row.prompt
    if task.task_type is TaskType.MULTIPLE_CHOICE:
        counts = Counter(row.gold for row in rows)
        assert len(counts) >= 3, counts
        assert max(counts.values()) <= 28, counts
    if task.task_type is TaskType.RANKING:
        assert all(isinstance(row.gold, list) and all(type(one) is float for one in row.gold) for row in rows)
        assert all(2 <= len(listed(row)) <= 5 for row in rows)


def test_there_are_forty_tasks_over_all_capabilities_and_types() -> None:
    assert len(CATALOGUE_TASKS) >= 40
    assert {task.capability for task in CATALOGUE_TASKS} == set(Capability)
    assert {task.task_type for task in CATALOGUE_TASKS} == set(TaskType)
    for capability in Capability:
        types = {task.task_type for task in CATALOGUE_TASKS if task.capability is capability}
        assert {TaskType.MULTIPLE_CHOICE, TaskType.RETRIEVAL, TaskType.GENERATION} <= types
    ranked = {task.capability for task in CATALOGUE_TASKS if task.task_type is TaskType.RANKING}
    assert len(ranked) >= 3


@pytest.mark.parametrize("task", CATALOGUE_TASKS, ids=lambda task: task.name)
def test_every_wording_is_used_and_says_something_else(task: CatalogueTask) -> None:
    assert 3 <= len(task.wordings) == len(set(task.wordings))
    assert len({draw_row(task, 1, index).prompt for index in range(30)}) >= 24


def test_golds_say_what_the_listings_say() -> None:
    """The label of a ranking by amount is read off the titles again, by other means."""
    task = TASKS["measure_ranking"]
    for index in range(40):
        row = draw_row(task, 2, index)
        assert isinstance(row.gold, list)
        best = listed(row)[row.gold.index(1.0)]
        worst = listed(row)[row.gold.index(0.0)]
        assert best != worst
        assert row.target.split(",")[0] == str(row.gold.index(1.0) + 1)


def test_pack_totals_are_the_product_of_content_and_count() -> None:
    task = TASKS["pack_total"]
    for index in range(60):
        row = draw_row(task, 4, index)
        pack = re.search(r"Pack of (\d+)", row.prompt)
        assert pack is not None
        assert isinstance(row.gold, int)
        total = re.match(r"([\d.]+) (.+)", listed(row)[row.gold])
        assert total is not None
        content = f"{float(total[1]) / int(pack[1]):g}"
        assert re.search(rf"(?<![\d.]){re.escape(content)} ?{re.escape(total[2])}", row.prompt), row.prompt


def test_rows_are_byte_for_byte_what_they_were() -> None:
    """Wordings are data: a space lost in a file changes every row. A row that is to change changes its digest here."""
    found = {}
    for capability in Capability:
        tasks = [task for task in CATALOGUE_TASKS if task.capability is capability]
        rows = [draw_row(task, 0, place).to_json() for task in tasks for place in range(5)]
        found[capability.value] = sha256(json.dumps(rows).encode()).hexdigest()[:16]
    assert found == {
        "concept_understanding": "fb1a146cbb280ed4",
        "knowledge_reasoning": "17e393b66e720d83",
        "user_behaviour": "976feb8fc34bd526",
        "multilingual": "2e36f759265073f7",
    }
