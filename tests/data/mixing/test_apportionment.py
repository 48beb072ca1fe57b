import math
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from app.data.mixing.selection import apportion

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
