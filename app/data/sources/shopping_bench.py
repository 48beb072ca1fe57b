"""ShoppingBench: shopping requests with a budget and a voucher, and what the products cost with it.

Schema, read off the published file, JSON lines: `query` (the request, a blank line, the voucher's rules), `voucher`
with `voucher_type` (shop or platform), `discount_type` (fixed, with `face_value`, or percentage, with `discount`, such
as 0.24, and `cap`), `threshold`, `price_after_voucher` and `budget`. Prices are in pesos. The price before the voucher
is not given, but follows, since a higher price stays higher with the voucher.
"""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

from app.data.row import Capability
from app.data.sources.reading import RawRow, find_tables, one_line, read_table
from app.data.tasks.lists import OPTIONS, choices
from app.data.tasks.task import CHOICE, Draft, PublishedSource, TaskGroup

FIELDS = ("query", "voucher")
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Voucher:
    """What a voucher takes off a total price, in pesos."""

    threshold: Decimal
    """It applies to totals above this."""
    amount: Decimal
    """Taken off; the most that is taken off, where there is a share."""
    share: Decimal | None
    """Of the total, such as 0.24."""
    one_shop: bool
    """Whether all products have to be from one shop."""

    def discount(self, total: Decimal) -> Decimal:
        """What it takes off a total, to the cent; nothing where it does not apply."""
        if total <= self.threshold:
            return Decimal(0)
        return self.amount if self.share is None else min(self.amount, cents(total * self.share))

    def total(self, after: Decimal) -> Decimal:
        """The price before the voucher, from the price with it."""
        if self.share is None:
            return after + self.amount
        total = cents(after / (1 - self.share))
        return total if total * self.share <= self.amount else after + self.amount

    @property
    def rules(self) -> str:
        """The voucher in a sentence or two."""
        off = f"{_pesos(self.amount)} off the total"
        if self.share is not None:
            off = f"{self.share * 100:.0f}% off the total, at most {_pesos(self.amount)},"
        where = " All products have to be from the same shop, and they are." if self.one_shop else ""
        return f"It takes {off} if the total is more than {_pesos(self.threshold)}.{where}"


@dataclass(frozen=True, slots=True)
class VoucherRequest:
    """A request with its voucher."""

    request: str
    voucher: Voucher
    total: Decimal
    """Of the wanted products, before the voucher."""
    after: Decimal
    budget: Decimal


def cents(amount: Decimal) -> Decimal:
    """An amount to the cent."""
    return amount.quantize(_CENT, ROUND_HALF_UP)


def read_shopping_bench(folder: Path, faults: Counter[str]) -> Iterator[VoucherRequest]:
    """The requests with vouchers of a folder (or one file)."""
    for path in find_tables(folder, "*voucher*"):
        for row in read_table(path, FIELDS):
            read = _read(row)
            if read.after >= read.total or read.voucher.discount(read.total) != read.total - read.after:
                faults["ShoppingBench: a price that the voucher does not give, dropped"] += 1
            else:
                yield read


def _read(row: RawRow) -> VoucherRequest:
    if not isinstance(row.values["voucher"], dict):
        raise row.wrong("voucher", "an object", row.values["voucher"])
    given = RawRow(f"{row.place}, voucher", row.values["voucher"])

    def amount(name: str) -> Decimal:
        return cents(Decimal(str(given.number(name))))

    kind = given.text("discount_type")
    if kind not in {"fixed", "percentage"}:
        raise given.wrong("discount_type", "fixed or percentage", kind)
    voucher = Voucher(
        threshold=amount("threshold"),
        amount=amount("face_value" if kind == "fixed" else "cap"),
        share=None if kind == "fixed" else amount("discount"),
        one_shop=given.text("voucher_type") == "shop",
    )
    after = amount("price_after_voucher")
    request = one_line(row.text("query").split("\n\n")[0])
    return VoucherRequest(request, voucher, voucher.total(after), after, amount("budget"))


SHOPPING_BENCH = PublishedSource(
    "ShoppingBench", "Apache-2.0", "GitHub, yjwjy/ShoppingBench (Wang et al. 2025)", read_shopping_bench
)
_voucher = TaskGroup[VoucherRequest](SHOPPING_BENCH, Capability.KNOWLEDGE_REASONING, "shopping_bench", "voucher_")
_EACH = 3
"""Questions of a task about one voucher: its own price, then prices round it."""
_FACTORS = (0.55, 0.75, 0.9, 1.15, 1.4, 1.8)


def _pesos(amount: Decimal) -> str:
    return f"{amount:,.2f} pesos" if amount % 1 else f"{amount:,.0f} pesos"


def _totals(record: VoucherRequest, rng: random.Random) -> list[Decimal]:
    """The total of the request, and others on both sides of the threshold."""
    others = [cents(record.voucher.threshold * Decimal(str(factor))) for factor in rng.sample(_FACTORS, _EACH - 1)]
    return [record.total, *others]


def _options(gold: Decimal, wrong: list[Decimal], rng: random.Random) -> tuple[str, int] | None:
    texts = list(dict.fromkeys(_pesos(one) for one in wrong if one > 0 and one != gold))
    if len(texts) < OPTIONS - 1:
        return None
    return choices(_pesos(gold), rng.sample(texts, OPTIONS - 1), rng)


def _draft(record: VoucherRequest, variables: dict[str, object], gold: object) -> Draft:
    given = {"request": record.request, "rules": record.voucher.rules}
    return Draft(given | variables, gold, f"ShoppingBench/{record.request}")


@_voucher("numeric reasoning", CHOICE)
def _price_after(record: VoucherRequest, rng: random.Random) -> Iterator[Draft]:
    """The price with the voucher; wrong ones forget the threshold, the cap or the share, or are sums gone wrong."""
    voucher = record.voucher
    for total in _totals(record, rng):
        gold = total - voucher.discount(total)
        share = voucher.share or voucher.amount / max(voucher.threshold, Decimal(1))
        wrong = [total, total - voucher.amount, cents(total * (1 - share)), total - cents(voucher.amount / 2)]
        wrong += [gold + 10, gold - 10, cents(gold * Decimal("1.1"))]
        found = _options(gold, wrong, rng)
        if found:
            yield _draft(record, {"total": _pesos(total), "options": found[0]}, found[1])


@_voucher("numeric reasoning", CHOICE)
def _applies(record: VoucherRequest, rng: random.Random) -> Iterator[Draft]:
    """Whether the voucher applies, and how far: options are the three things that can be."""
    voucher = record.voucher
    for total in _totals(record, rng):
        discount = voucher.discount(total)
        texts = ["No, the total is too low.", "Yes, and the discount is its full amount."]
        number = int(discount > 0)
        if voucher.share is not None:
            texts = [
                "No, the total is too low.",
                "Yes, and the discount is the full percentage.",
                "Yes, but the cap limits the discount.",
            ]
            number = 0 if not discount else 2 if discount < cents(total * voucher.share) else 1
        others = [text for text in texts if text != texts[number]]
        options, gold = choices(texts[number], others, rng)
        yield _draft(record, {"total": _pesos(total), "options": options}, gold)


@_voucher("numeric reasoning", CHOICE)
def _price_before(record: VoucherRequest, rng: random.Random) -> Iterator[Draft]:
    """The price before the voucher, which did apply."""
    voucher = record.voucher
    above = [record.total, *(cents(voucher.threshold * Decimal(str(one))) for one in rng.sample(_FACTORS[3:], 2))]
    for total in above:
        after = total - voucher.discount(total)
        wrong = [after, after + voucher.amount, cents(after * (1 + (voucher.share or Decimal("0.2"))))]
        wrong += [total + 10, total - 10, cents(total * Decimal("1.1")), voucher.threshold]
        found = _options(total, wrong, rng)
        if found:
            yield _draft(record, {"after": _pesos(after), "options": found[0]}, found[1])


SOURCES = (SHOPPING_BENCH,)
TASKS = _voucher.tasks()
