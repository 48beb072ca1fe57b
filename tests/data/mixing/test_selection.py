import random
from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.data.mixing.selection import pick, shuffled


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
