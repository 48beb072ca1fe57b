import math
import random
from collections import Counter
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.data.mixing.manifest import UnmetShare
from app.data.mixing.mixture import Level, MixSettings
from app.data.mixing.selection import Supply, apportion, capped, pick, share_out, shuffled
from app.data.row import Capability
from app.types import TaskType


@given(st.lists(st.integers(0, 1000), unique=True), st.integers(0, 300))
def test_no_row_is_repeated_before_all_were_taken(numbers: list[int], quota: int) -> None:
    rows = np.array(numbers, dtype=np.intp)
    times = Counter(pick(rows, quota).tolist())

    assert times.total() == (quota if numbers else 0)
    assert not times or max(times.values()) - min(times.get(row, 0) for row in numbers) <= 1
    assert quota > len(numbers) or pick(rows, quota).tolist() == numbers[:quota]


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=50, unique=True), st.randoms(use_true_random=False))
def test_the_order_depends_on_keys_alone(keys: list[int], order: random.Random) -> None:
    places = order.sample(range(len(keys)), len(keys))
    moved = [keys[place] for place in places]

    def written(of: list[int]) -> list[int]:
        rows = np.arange(len(of), dtype=np.intp)
        again = [row for row, key in enumerate(of) if key in set(keys[: len(keys) // 2])]
        every = shuffled([rows, np.array(again, dtype=np.intp)], np.array(of, dtype=np.uint64))
        return [of[row] for row in every]

    assert written(keys) == written(moved)
    assert sorted(written(keys)) == sorted([*keys, *keys[: len(keys) // 2]])


def test_rows_are_not_written_in_the_order_in_which_they_are_preferred() -> None:
    keys = np.sort(np.random.default_rng(0).integers(0, 2**63, 1000).astype(np.uint64))
    written = shuffled([np.arange(1000, dtype=np.intp)], keys)

    # the rank correlation of a random order of 1,000 has a standard deviation of 0.032
    assert abs(np.corrcoef(written, np.arange(1000))[0, 1]) < 0.16


names = st.sampled_from("abcdefgh")
weights = st.dictionaries(names, st.floats(0, 1e6, allow_subnormal=False), min_size=1)


@st.composite
def problems(draw: st.DrawFn) -> tuple[int, dict[str, float], dict[str, int]]:
    given_weights = draw(weights)
    capacity = {name: draw(st.integers(0, 300)) for name in given_weights}
    return draw(st.integers(0, 1000)), given_weights, capacity


@given(problems())
def test_the_shares_add_up_to_the_total_or_to_all_the_capacity_there_is(
    problem: tuple[int, dict[str, float], dict[str, int]],
) -> None:
    total, given_weights, capacity = problem
    shares = apportion(total, given_weights, capacity)

    room = sum(capacity[name] for name, weight in given_weights.items() if weight > 0)
    assert sum(shares.values()) == min(total, room)
    assert all(0 <= shares[name] <= capacity[name] for name in given_weights)
    assert all(shares[name] == 0 for name, weight in given_weights.items() if weight == 0)


@given(problems())
def test_the_order_of_the_names_does_not_matter(problem: tuple[int, dict[str, float], dict[str, int]]) -> None:
    total, given_weights, capacity = problem

    assert apportion(total, given_weights, capacity) == apportion(
        total, dict(reversed(list(given_weights.items()))), capacity
    )


@given(st.integers(0, 10_000), st.dictionaries(names, st.integers(1, 1000), min_size=1))
def test_without_caps_each_share_is_its_quota_rounded(total: int, whole_weights: dict[str, int]) -> None:
    shares = apportion(
        total, {name: float(n) for name, n in whole_weights.items()}, dict.fromkeys(whole_weights, total)
    )

    for name, weight in whole_weights.items():
        quota = total * weight / sum(whole_weights.values())
        assert math.floor(quota) <= shares[name] <= math.ceil(quota)


@given(problems())
def test_of_two_that_are_not_full_the_heavier_one_has_no_less(
    problem: tuple[int, dict[str, float], dict[str, int]],
) -> None:
    total, given_weights, capacity = problem
    shares = apportion(total, given_weights, capacity)

    open_names = [name for name in given_weights if given_weights[name] > 0 and shares[name] < capacity[name]]
    for one, other in combinations(open_names, 2):
        if given_weights[one] > given_weights[other]:
            assert shares[one] >= shares[other]


def test_what_a_full_share_leaves_goes_to_the_others_in_proportion() -> None:
    shares = apportion(100, {"a": 2.0, "b": 1.0, "c": 1.0}, {"a": 20, "b": 1000, "c": 1000})

    assert shares == {"a": 20, "b": 40, "c": 40}


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
    quotas = share_out("train", total, made, mix)

    there = sum(one.capacity for one in made)
    assert sum(quotas.rows.values()) == min(total, there)
    assert all(quotas.rows[one.task] <= one.capacity for one in made)
    lacking = [share for share in quotas.unmet if share.level == "total"]
    assert lacking == (
        [UnmetShare(split="train", level="total", name="all rows", wanted=total, given=there)] if there < total else []
    )


def test_without_a_total_everything_is_taken() -> None:
    assert share_out("train", None, [supply("a", 3), supply("b", 4)], MixSettings()).rows == {"a": 3, "b": 4}


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

    assert share_out("train", 400, made, by_weight).rows == {"a": 200, "b": 100, "c": 100}
    assert share_out("train", 170, made, by_rows).rows == {"a": 90, "b": 30, "c": 50}


def test_a_temperature_of_two_shares_by_the_square_root() -> None:
    mix = MixSettings(total=40, task=Level[str](temperature=2))

    assert share_out("train", 40, [supply("large", 900), supply("small", 100)], mix).rows == {"large": 30, "small": 10}


def test_what_one_capability_lacks_is_told_and_goes_to_the_others() -> None:
    made = [supply("a", 1000), supply("b", 10, Capability.MULTILINGUAL)]
    quotas = share_out("train", 200, made, MixSettings(total=200, capability=Level[Capability](temperature=math.inf)))

    assert quotas.rows == {"a": 190, "b": 10}
    assert quotas.unmet == [UnmetShare(split="train", level="capability", name="multilingual", wanted=100, given=10)]


def test_weights_of_tasks_are_those_of_the_first_pattern_that_fits() -> None:
    mix = MixSettings(total=30, task=Level[str](temperature=math.inf, weights={"query_ranking": 0, "query_*": 2}))
    made = [supply("query_ranking", 100), supply("query_choice", 100), supply("title", 100)]

    assert share_out("train", 30, made, mix).rows == {"query_choice": 20, "query_ranking": 0, "title": 10}


@pytest.mark.parametrize(
    ("task", "fraction", "rows"), [("a", 0.9, 90), ("b_small", 0.9, 9), ("b_small", 0.01, 1), ("a", 1, 100)]
)
def test_a_split_gets_its_fraction_of_a_cap(task: str, fraction: float, rows: int) -> None:
    assert capped(task, 5000, MixSettings(cap=100, caps={"b_*": 10}), fraction) == rows
    assert capped(task, 1, MixSettings(cap=100), fraction) == 1


def test_rows_that_no_weight_lets_in_make_no_room_in_their_capability() -> None:
    mix = MixSettings(total=30, task=Level[str](weights={"left_out": 0}))
    made = [supply("left_out", 100), supply("small", 5), supply("other", 100, Capability.MULTILINGUAL)]

    assert share_out("train", 30, made, mix).rows == {"left_out": 0, "small": 5, "other": 25}


@pytest.mark.parametrize("rows_and_capacity", [(100, 10), (10, 30)])
def test_a_share_counts_each_row_once_and_only_those_that_may_be_written(rows_and_capacity: tuple[int, int]) -> None:
    one = replace(supply("one", rows_and_capacity[0]), capacity=rows_and_capacity[1])

    assert share_out("train", 10, [one, supply("other", 10)], MixSettings(total=10)).rows == {"one": 5, "other": 5}
