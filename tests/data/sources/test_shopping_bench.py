"""Vouchers: what they take off, and what was paid before."""

import random
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.data.sources.shopping_bench import Voucher, cents, read_shopping_bench
from app.data.tasks.declared import TASKS
from app.errors import InputError
from tests.data.sources.offer_files import FIXED, SHARE, write_vouchers

AMOUNTS = st.integers(1, 10**6).map(lambda number: Decimal(number) / 100)


def test_the_price_before_follows_from_the_price_after(tmp_path: Path) -> None:
    write_vouchers(tmp_path)
    faults: Counter[str] = Counter()
    records = list(read_shopping_bench(tmp_path, faults))

    assert [record.total for record in records] == [Decimal("600.50"), 600, 1000]
    assert [record.request for record in records] == [f"Find a kettle no. {number}." for number in range(3)]
    assert records[0].voucher.rules == (
        "It takes 80 pesos off the total if the total is more than 500 pesos. "
        "All products have to be from the same shop, and they are."
    )
    assert records[1].voucher.rules == (
        "It takes 20% off the total, at most 150 pesos, if the total is more than 500 pesos."
    )
    assert faults == {"ShoppingBench: a price that the voucher does not give, dropped": 1}


@given(AMOUNTS, AMOUNTS, st.none() | st.integers(1, 90).map(lambda share: Decimal(share) / 100), AMOUNTS)
def test_a_total_is_found_again(threshold: Decimal, amount: Decimal, share: Decimal | None, more: Decimal) -> None:
    voucher = Voucher(threshold, amount, share, one_shop=False)
    total = threshold + more
    after = total - voucher.discount(total)

    # cents are rounded in both directions, and a share of 90 % makes ten cents of one
    assert abs(voucher.total(after) - total) <= Decimal("0.1")
    assert voucher.discount(threshold) == 0


def test_answers_are_right_for_every_total(tmp_path: Path) -> None:
    write_vouchers(tmp_path)
    for record in read_shopping_bench(tmp_path, Counter()):
        for seed in range(5):
            for draft in TASKS["voucher_price_after"].draw(record, random.Random(seed)):
                total, paid = (amount(text) for text in (draft.variables["total"], right(draft)))
                assert total - record.voucher.discount(total) == paid
            for draft in TASKS["voucher_price_before"].draw(record, random.Random(seed)):
                total, paid = amount(right(draft)), amount(draft.variables["after"])
                assert cents(total - record.voucher.discount(total)) == paid < total
            for draft in TASKS["voucher_applies"].draw(record, random.Random(seed)):
                off = record.voucher.discount(amount(draft.variables["total"]))
                assert right(draft).startswith("Yes" if off else "No")
                assert ("cap" in right(draft)) == (record.voucher.share is not None and off == record.voucher.amount)


def right(draft: object) -> str:
    """The text of the right option."""
    lines = str(draft.variables["options"]).splitlines()  # type: ignore[attr-defined]  # a draft's
    return lines[draft.gold].lstrip("0123.) ") if "Yes" in str(lines) else lines[draft.gold]  # type: ignore[attr-defined]  # a draft's


def amount(text: object) -> Decimal:
    """The amount in an option or a prompt."""
    return Decimal(str(text).removesuffix(" pesos").split(" ")[-1].split(")")[-1].replace(",", ""))


@pytest.mark.parametrize(
    ("voucher", "told"),
    [
        (FIXED | {"discount_type": "gift"}, "'discount_type' must be fixed or percentage, found 'gift'"),
        (FIXED | {"face_value": None}, r"line 1, voucher: no field 'face_value' \(empty\)"),
        (SHARE | {"cap": "much"}, "'cap' must be a number"),
        ([], "'voucher' must be an object"),
    ],
)
def test_a_voucher_of_another_form_is_told(voucher: dict[str, object], told: str, tmp_path: Path) -> None:
    write_vouchers(tmp_path, [voucher])

    with pytest.raises(InputError, match=told):
        list(read_shopping_bench(tmp_path, Counter()))
