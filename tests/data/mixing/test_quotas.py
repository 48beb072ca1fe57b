import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.data.mixing.mixture import Level, MixSettings
from app.data.mixing.selection import Supply, Unmet, capped, share_out
from app.data.row import Capability
from app.types import TaskType


def supply(
    task: str,
    rows: int,
    capability: Capability = Capability.CONCEPT_UNDERSTANDING,
    task_type: TaskType = TaskType.RANKING,
) -> Supply:
    return Supply(task, capability, task_type, rows, rows)


supplies = st.lists(
    st.tuples(st.integers(0, 500), st.sampled_from(Capability), st.sampled_from(TaskType)), min_size=1, max_size=12
).map(lambda made: [supply(f"task{n}", *values) for n, values in enumerate(made)])


@given(st.integers(1, 2000), supplies, st.sampled_from([1.0, 2.0, 5.0, math.inf]))
def test_the_quotas_add_up_to_the_total_or_to_what_there_is(total: int, made: list[Supply], temperature: float) -> None:
    mix = MixSettings(
        total=total, task=Level[str](temperature=temperature), capability=Level[Capability](temperature=temperature)
    )
    quotas = share_out(total, made, mix)

    there = sum(one.capacity for one in made)
    assert sum(quotas.rows.values()) == min(total, there)
    assert all(quotas.rows[one.task] <= one.capacity for one in made)
    lacking = [share for share in quotas.unmet if share.level == "total"]
    assert lacking == ([Unmet("total", "all rows", total, there)] if there < total else [])


def test_without_a_total_everything_is_taken() -> None:
    assert share_out(None, [supply("a", 3), supply("b", 4)], MixSettings()).rows == {"a": 3, "b": 4}


def test_infinite_temperature_shares_by_weight_alone_and_one_shares_by_rows() -> None:
    made = [
        supply("a", 900),
        supply("b", 300, Capability.MULTILINGUAL),
        supply("c", 500, Capability.USER_BEHAVIOUR),
    ]
    by_weight = MixSettings(
        total=400, capability=Level[Capability](temperature=math.inf, weights={Capability.CONCEPT_UNDERSTANDING: 2})
    )
    by_rows = MixSettings(total=170)

    assert share_out(400, made, by_weight).rows == {"a": 200, "b": 100, "c": 100}
    assert share_out(170, made, by_rows).rows == {"a": 90, "b": 30, "c": 50}


def test_a_temperature_of_two_shares_by_the_square_root() -> None:
    mix = MixSettings(total=40, task=Level[str](temperature=2))

    assert share_out(40, [supply("large", 900), supply("small", 100)], mix).rows == {"large": 30, "small": 10}


def test_what_one_capability_lacks_is_told_and_goes_to_the_others() -> None:
    made = [supply("a", 1000), supply("b", 10, Capability.MULTILINGUAL)]
    quotas = share_out(200, made, MixSettings(total=200, capability=Level[Capability](temperature=math.inf)))

    assert quotas.rows == {"a": 190, "b": 10}
    assert quotas.unmet == [Unmet("capability", "multilingual", 100, 10)]


def test_weights_of_tasks_are_those_of_the_first_pattern_that_fits() -> None:
    mix = MixSettings(total=30, task=Level[str](temperature=math.inf, weights={"query_ranking": 0, "query_*": 2}))
    made = [supply("query_ranking", 100), supply("query_choice", 100), supply("title", 100)]

    assert share_out(30, made, mix).rows == {"query_choice": 20, "query_ranking": 0, "title": 10}


@pytest.mark.parametrize(
    ("task", "fraction", "rows"), [("a", 0.9, 90), ("b_small", 0.9, 9), ("b_small", 0.01, 1), ("a", 1, 100)]
)
def test_a_split_gets_its_fraction_of_a_cap(task: str, fraction: float, rows: int) -> None:
    assert capped(task, 5000, MixSettings(cap=100, caps={"b_*": 10}), fraction) == rows
    assert capped(task, 1, MixSettings(cap=100), fraction) == 1
