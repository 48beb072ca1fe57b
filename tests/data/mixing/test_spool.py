from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.data.mixing.spool import SPLITS, split_numbers, split_place
from tests.data.mixing.rows import choice, subject

FRACTIONS = (0.8, 0.15, 0.05)


def sides(places: list[int]) -> list[int]:
    return [int(side) for side in split_numbers(np.array(places, dtype=np.uint64), FRACTIONS)]


@given(st.text(min_size=1).filter(str.strip), st.lists(st.text(), min_size=2, max_size=5), st.integers(0, 2**31))
def test_rows_of_one_group_stand_on_one_side(group: str, prompts: list[str], seed: int) -> None:
    places = [split_place(replace(choice("x", group=group), prompt=prompt), seed) for prompt in prompts]

    assert len(set(sides(places))) == 1


def test_a_row_without_a_group_is_placed_by_its_prompt() -> None:
    assert split_place(choice("a red kettle"), 0) == split_place(choice("a red kettle", gold=0, task="other"), 0)
    assert split_place(choice("a red kettle"), 0) != split_place(choice("a blue kettle"), 0)


def test_another_seed_places_rows_anew() -> None:
    rows = [choice(subject(number)) for number in range(200)]

    assert sides([split_place(row, 0) for row in rows]) != sides([split_place(row, 1) for row in rows])


def test_each_split_gets_about_its_fraction_of_the_groups() -> None:
    found = sides([split_place(choice("x", group=str(number)), 3) for number in range(4000)])

    for side, fraction in enumerate(FRACTIONS):
        # four standard deviations of a binomial proportion over 4,000 groups are at most 0.032
        assert abs(found.count(side) / 4000 - fraction) < 0.032


def test_the_ends_of_the_range_have_a_side_and_a_fraction_of_nothing_gets_nothing() -> None:
    assert [int(side) for side in split_numbers(np.array([0, 2**64 - 1], dtype=np.uint64), (1.0, 0.0, 0.0))] == [0, 0]
    assert len(SPLITS) == 3


def test_a_place_on_a_bound_is_of_the_split_that_begins_there() -> None:
    assert [int(side) for side in split_numbers(np.array([2**63], dtype=np.uint64), (0.5, 0.25, 0.25))] == [1]


def test_groups_that_differ_in_case_alone_are_one() -> None:
    assert split_place(choice("x", group="Sum  7"), 0) == split_place(choice("y", group="sum 7"), 0)
