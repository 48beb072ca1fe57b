from hypothesis import given
from hypothesis import strategies as st

from app.train.batches import EpochOrder


@given(st.lists(st.integers(1, 500), min_size=1, max_size=60), st.integers(0, 5), st.integers(1, 8), st.booleans())
def test_every_row_once_and_the_same_when_asked_again(
    lengths: list[int], epoch: int, batch: int, grouped: bool
) -> None:
    orders = []
    for _ in range(2):
        order = EpochOrder(len(lengths), 3, lengths if grouped else None, batch)
        order.set_epoch(epoch)
        orders.append(list(order))
    assert orders[0] == orders[1]
    assert sorted(orders[0]) == list(range(len(lengths)))


def test_epochs_and_seeds_differ() -> None:
    order = EpochOrder(50, 0)
    first = list(order)
    order.set_epoch(1)
    assert list(order) != first
    assert list(EpochOrder(50, 1)) != first


def test_groups_need_less_padding() -> None:
    lengths = [7 * number % 400 + 1 for number in range(400)]

    def padded(order: list[int]) -> int:
        return sum(8 * max(lengths[place] for place in order[start : start + 8]) for start in range(0, 400, 8))

    assert padded(list(EpochOrder(400, 0, lengths, batch=8))) < 0.7 * padded(list(EpochOrder(400, 0)))
