"""Widths of batches, the order of an epoch, and what both cost in padding."""

from itertools import combinations

import torch
from hypothesis import given
from hypothesis import strategies as st

from app.train.batches import PADDING, AnswerCollator, EpochOrder, batch_widths, padding_share, width_of
from app.train.examples import IGNORED

LENGTHS = st.lists(st.integers(1, 500), min_size=1, max_size=60)


@given(LENGTHS, st.integers(0, 5), st.integers(1, 8), st.booleans())
def test_every_row_once_and_the_same_when_asked_again(lengths: list[int], epoch: int, step: int, grouped: bool) -> None:
    orders = []
    for _ in range(2):
        order = EpochOrder(len(lengths), 3, lengths if grouped else None, step)
        order.set_epoch(epoch)
        orders.append(list(order))
    assert orders[0] == orders[1]
    assert sorted(orders[0]) == list(range(len(lengths)))


def test_epochs_and_seeds_differ() -> None:
    for widths in (None, [8] * 25 + [16] * 25):
        order = EpochOrder(50, 0, widths, 5)
        first = list(order)
        order.set_epoch(1)
        assert list(order) != first
        assert list(EpochOrder(50, 1, widths, 5)) != first


def test_a_step_is_of_one_width_but_for_what_is_left_over() -> None:
    widths = [16, 8, 16, 8, 8, 16, 8, 8, 16, 24]
    order = list(EpochOrder(10, 0, widths, 4))
    steps = [sorted(widths[place] for place in order[first : first + 4]) for first in (0, 4)]
    assert sorted(steps) == [[8, 8, 8, 8], [8, 16, 16, 16]]
    assert sorted(widths[place] for place in order[8:]) == [16, 24]


@given(st.lists(st.integers(1, 60), min_size=1, max_size=20), st.integers(1, 4))
def test_no_other_widths_need_less_padding(lengths: list[int], shapes: int) -> None:
    def computed(widths: tuple[int, ...]) -> int:
        return sum(width_of(length, widths) for length in lengths)

    widths = batch_widths(lengths, shapes)
    assert list(widths) == sorted(set(widths))
    assert len(widths) <= shapes
    ends = sorted({-(-length // 8) * 8 for length in lengths})
    others = [(*some, ends[-1]) for count in range(shapes) for some in combinations(ends[:-1], count)]
    assert widths[-1] == ends[-1]
    assert computed(widths) == min(map(computed, others))


def test_a_few_widths_leave_little_padding() -> None:
    lengths = [30 + (place * 7919) % 400 for place in range(2000)]
    widths = batch_widths(lengths)
    grouped = EpochOrder(len(lengths), 0, [width_of(length, widths) for length in lengths], 16)
    assert padding_share(list(grouped), lengths, widths, 16) < 0.1
    assert padding_share(list(EpochOrder(len(lengths), 0)), lengths, widths, 16) > 0.3


def test_long_rows_have_coarser_widths() -> None:
    widths = batch_widths(range(1, 8193), 200)
    assert widths[-1] == 8192
    assert all(width % 32 == 0 for width in widths)


def test_a_batch_is_as_wide_as_it_must_be() -> None:
    rows = [
        {"input_ids": [5] * size, "labels": [IGNORED, *[5] * (size - 1)], "weights": [0.0, *[0.5] * (size - 1)],
         "capability": [2] * size}
        for size in (3, 6)
    ]  # fmt: skip
    batch = AnswerCollator(9, (4, 8, 16))(rows)
    assert {name: tuple(values.shape) for name, values in batch.items()} == dict.fromkeys(rows[0], (2, 8))
    assert batch["input_ids"][0].tolist() == [5, 5, 5, 9, 9, 9, 9, 9]
    assert batch["labels"][0].tolist() == [IGNORED, 5, 5, *[IGNORED] * 5]
    assert batch["weights"][0].tolist() == [0, 0.5, 0.5, 0, 0, 0, 0, 0]
    assert batch["capability"][0].tolist() == [2, 2, 2, *[PADDING] * 5]
    assert AnswerCollator(9, (4,))(rows)["input_ids"].shape == (2, 6)
    assert batch["weights"].dtype is torch.float32
