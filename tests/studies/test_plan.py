from pathlib import Path
from typing import Any

import pytest

from app.data.row import Capability
from app.errors import SetupError
from app.settings import ROOT
from app.studies.plan import Cell, Expected, Pace, Study, experts
from tests.studies.small import values_for

CONCEPTS, KNOWLEDGE, BEHAVIOUR, LANGUAGES = (
    Capability.CONCEPT_UNDERSTANDING,
    Capability.KNOWLEDGE_REASONING,
    Capability.USER_BEHAVIOUR,
    Capability.MULTILINGUAL,
)


@pytest.fixture
def shipped() -> Study:
    return Study.read(ROOT / "configs" / "study.yaml")


def study(tmp_path: Path, **grid: object) -> Study:
    values = values_for(tmp_path, tmp_path)
    return Study.parse(values | {"grid": values["grid"] | {"experts_rank": None} | grid})


def test_the_shipped_study_has_both_arms_three_seeds_and_fits_ten_hours(shipped: Study) -> None:
    pace = Pace(shipped.expected)
    assert len(shipped.cells) >= 36
    assert {cell.seed for cell in shipped.cells} >= {0, 1, 2}
    assert {point.arm for point in shipped.points} == {"equal", "growing"}
    assert {point.ladder for point in shipped.points} == {"capabilities", "sub-tasks"}
    assert sum(map(pace.seconds, shipped.cells)) < 10 * 3600


def test_no_held_out_task_is_named_in_vain(shipped: Study) -> None:
    assert set(shipped.held_out.tasks) < set(shipped.pool.tasks.include)


def test_rows_are_equal_in_one_arm_and_grow_in_the_other(shipped: Study) -> None:
    rows = shipped.grid.rows
    for point in shipped.points:
        part = point.level / shipped.grid.size if point.ladder == "capabilities" else point.level
        assert point.cell.rows == (rows if point.arm == "equal" else round(rows * part))


def test_capabilities_come_one_by_one_in_each_order(tmp_path: Path) -> None:
    orders = [[LANGUAGES, CONCEPTS, BEHAVIOUR], [CONCEPTS, BEHAVIOUR, LANGUAGES]]
    found = study(tmp_path, orders=orders, seeds=[0], ranks=[4], shares=[])
    steps = {(point.order, point.level): set(point.cell.capabilities) for point in found.points}
    assert steps == {(order, level): set(orders[order][:level]) for order in (0, 1) for level in (1, 2, 3)}


def test_a_cell_that_answers_several_questions_runs_once(shipped: Study) -> None:
    names = [cell.name for cell in shipped.cells]
    assert len(set(names)) == len(names)
    assert {point.cell for point in shipped.points} <= set(shipped.cells)
    everything = {
        point.cell for point in shipped.points if point.level in (1.0, 4) and len(point.cell.capabilities) == 4
    }
    assert len(everything) == len(shipped.grid.ranks) * len(shipped.grid.seeds)


def test_a_seed_is_done_before_the_next_and_what_needs_others_comes_last(shipped: Study) -> None:
    base, *cells = shipped.cells
    assert base.kind == "base"
    seeds = [cell.seed for cell in cells]
    assert seeds == sorted(seeds)
    for seed in shipped.grid.seeds:
        own = [cell for cell in cells if cell.seed == seed]
        needed = max(own.index(cell) for cell in experts(shipped.grid, seed))
        assert min(place for place, cell in enumerate(own) if cell.kind != "adapter") > needed
    # Whatever is done at any time is a fair part of all.
    half = [cell.rank for cell in cells[: len(seeds) // 6]]
    assert set(half) == set(shipped.grid.ranks)


def test_the_experts_have_as_many_parameters_and_rows_as_the_one(shipped: Study) -> None:
    found = experts(shipped.grid, 0)
    assert sum(cell.rank for cell in found) == shipped.grid.experts_rank
    assert sum(cell.rows for cell in found) == shipped.grid.rows


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"orders": [["multilingual"], ["user_behaviour"]]}, "same capabilities"),
        ({"orders": [["multilingual", "multilingual"]]}, "each once"),
        ({"shares": [0, 1]}, "above 0"),
        ({"ranks": [0]}, "ranks"),
        ({"experts_rank": 5}, "experts_rank"),
        ({"sedes": [1]}, "did you mean 'grid.seeds'"),
    ],
)
def test_a_grid_that_cannot_be_is_refused(tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    with pytest.raises(SetupError, match=says):
        study(tmp_path, **changes)


@pytest.mark.parametrize(
    ("training", "says"),
    [({"seed": 1}, "decided by the study"), ({"learning_rate": 1}, "unknown setting 'learning_rate'")],
)
def test_settings_of_training_that_do_not_belong_there_are_named(
    tmp_path: Path, training: dict[str, Any], says: str
) -> None:
    with pytest.raises(SetupError, match=says):
        Study.parse(values_for(tmp_path, tmp_path, training=training)).recipe(Cell("base"), tmp_path)


def test_alpha_follows_the_rank(shipped: Study) -> None:
    scales = {cell.rank: shipped.recipe(cell, Path("out")).lora.scale / cell.rank for cell in shipped.cells[1:]}
    assert set(scales.values()) == {2.0}


def test_what_is_left_is_reckoned_by_what_was_measured() -> None:
    cell = Cell("adapter", 0, 4, 100, (CONCEPTS,))
    pace = Pace(Expected(tokens_a_row=100, train_tokens_a_second=50, evaluation_seconds=30))
    assert pace.seconds(cell) == pytest.approx(100 * 2 + 30)
    pace.train, pace.evaluations = [(200, 100.0)], [20.0]
    assert pace.seconds(cell) == pytest.approx(100 * 0.5 + 20)
    assert pace.seconds(Cell("base")) == pytest.approx(20)
