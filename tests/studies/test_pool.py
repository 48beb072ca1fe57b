from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from app.data.row import Capability, TrainingRow
from app.errors import SetupError
from app.routing import route
from app.studies.plan import Cell, Study
from app.studies.pool import (
    GENERAL,
    NEW_TASKS,
    NEW_WORDINGS,
    SEEN,
    FixedQuestion,
    Pool,
    choose_questions,
    general_questions,
    read_general,
    recorded_questions,
)  # fmt: skip
from app.tasks.registry import TASKS
from app.types import TaskType
from tests.data.rows import make_rows
from tests.studies.small import values_for

BOTH = (Capability.CONCEPT_UNDERSTANDING, Capability.USER_BEHAVIOUR)


@pytest.fixture(scope="module")
def pool() -> Pool:
    """Four tasks of one capability with many rows and two of another with few."""
    plain = make_rows(5)[0]
    rows: list[TrainingRow] = []
    for capability, tasks, count in ((BOTH[0], 4, 60), (BOTH[1], 2, 40)):
        for task in range(tasks):
            name = f"{capability.value} {task}"
            rows += [replace(plain, prompt=f"{name} {one}", task=name, capability=capability) for one in range(count)]
    return Pool(rows, "")


def counts(pool: Pool, cell: Cell) -> Counter[str]:
    return Counter(pool.rows[place].task for place in pool.choose(cell))


def test_rows_are_shared_out_among_capabilities_and_then_among_tasks(pool: Pool) -> None:
    found = counts(pool, Cell("adapter", 0, 4, 80, BOTH))
    assert set(found.values()) == {10, 20}
    assert sum(n for task, n in found.items() if task.startswith("user")) == 40


def test_the_total_is_equal_where_a_capability_has_too_few_rows(pool: Pool) -> None:
    assert counts(pool, Cell("adapter", 0, 4, 240, BOTH)).total() == 240


def test_too_few_rows_are_an_error_that_says_what_to_do(pool: Pool) -> None:
    with pytest.raises(SetupError, match=r"needs 90 rows and the pool has 80.*grid.rows"):
        pool.choose(Cell("adapter", 0, 4, 90, BOTH[1:]))


def test_a_share_takes_tasks_of_every_capability_and_more_hold_the_fewer(pool: Pool) -> None:
    shares = [set(pool.tasks(Cell("adapter", 0, 4, 8, BOTH, share))) for share in (0.25, 0.5, 0.75, 1.0)]
    assert [len(one) for one in shares] == [2, 3, 5, 6]
    assert all(fewer < more for fewer, more in pairwise(shares))


def test_seeds_take_other_tasks_first_and_other_rows(pool: Pool) -> None:
    shares = {tuple(pool.tasks(Cell("adapter", seed, 4, 8, BOTH, 0.25))) for seed in range(8)}
    assert len(shares) > 1
    assert pool.choose(Cell("adapter", 0, 4, 8, BOTH)) != pool.choose(Cell("adapter", 1, 4, 8, BOTH))


def test_ranks_learn_from_the_same_rows_and_more_rows_hold_the_fewer(pool: Pool) -> None:
    few = pool.choose(Cell("adapter", 0, 4, 40, BOTH))
    assert few == pool.choose(Cell("adapter", 0, 64, 40, BOTH))
    assert set(few) < set(pool.choose(Cell("adapter", 0, 4, 80, BOTH)))


def question(stratum: str, capability: str, task: str, number: int) -> FixedQuestion:
    sample = make_rows(1)[0].sample
    asked = replace(sample.question, id=f"{task} {stratum} {number}")
    return FixedQuestion(replace(sample, question=asked, task_name=f"{task}, {stratum}"), stratum, capability)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study.parse(values_for(tmp_path, tmp_path))


def test_the_questions_are_shared_out_by_stratum_capability_and_task(study: Study) -> None:
    found = [
        question(stratum, capability, f"{capability}{task}", number)
        for stratum in (SEEN, NEW_WORDINGS, NEW_TASKS)
        for capability, tasks in (("c", 3), ("u", 1))
        for task in range(tasks)
        for number in range(20)
    ] + general_questions()
    chosen = choose_questions(study, found)
    assert Counter(one.stratum for one in chosen) == {SEEN: 16, NEW_WORDINGS: 6, NEW_TASKS: 4, GENERAL: 40}
    assert Counter(one.capability for one in chosen if one.stratum == SEEN) == {"c": 8, "u": 8}
    ids = [one.sample.question.id for one in chosen]
    assert choose_questions(study, found[::-1])[:26] == chosen[:26]
    assert recorded_questions(ids, found[::-1], study.results) == chosen
    fewer = [one for one in found if one.sample.question.id != ids[0]]
    with pytest.raises(SetupError, match=r"1 of the 66 questions .* not in the data any more"):
        recorded_questions(ids, fewer, study.results)


def test_the_general_questions_are_choices_that_are_routed_and_have_one_right_answer() -> None:
    probe = read_general()
    assert len(probe.questions) == 40
    for given, asked in zip(probe.questions, general_questions(), strict=True):
        sample = asked.sample
        task = route(sample.question)
        assert task.type is TaskType.MULTIPLE_CHOICE
        assert task in TASKS
        options = task.read(sample.question).options
        assert options is not None
        assert options.texts[options.labels.index(str(sample.gold))] == given[1]
        assert len(set(given[1:])) == len(given) - 1
    places = Counter(asked.sample.gold for asked in general_questions())
    assert max(places.values()) < 20
