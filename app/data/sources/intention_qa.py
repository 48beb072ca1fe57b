"""IntentionQA: pairs of products bought together, why, and what does not go with them.

Schema, read off the published files: `id`, `item_a_name`, `item_b_name`, `assertion` ("PersonX bought ... because
..."), `typicality`, `options` {letter: text}, `gold_ind`; task 2 has `distractors_product`, task 1
`distractors_asserstion` (so spelled), reasons that do not hold.
"""

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.data.row import Capability
from app.data.sources.reading import RawRow, count, find_tables, one_line, read_table
from app.data.tasks.lists import LISTED, OPTIONS, choices, graded, selection
from app.data.tasks.task import CHOICE, GENERATION, RANKING, RETRIEVAL, Draft, PublishedSource, TaskGroup
from app.evaluation.names import Metric

FIELDS = ("id", "item_a_name", "item_b_name", "assertion")
_OPENING = re.compile(r"^PersonX bought a product of Item A and a product of Item B\s+")
_PRODUCTS, _REASONS = "distractors_product", "distractors_asserstion"


@dataclass(frozen=True, slots=True)
class CoPurchase:
    """Two products that a shopper bought together, the reason, and wrong answers."""

    product: str
    bought: str
    reason: str
    """Begins with "because", seldom with "as a result"."""
    another_reason: bool
    """Whether an earlier row gives a reason for the same two products."""
    other_products: tuple[str, ...]
    """Not bought with it; empty in task 1."""
    other_reasons: tuple[str, ...]
    """That do not hold; empty in task 2."""
    also_bought: tuple[str, ...]
    """Everything that the set says is bought with the product; only in the product's first row, else empty."""
    unrelated: tuple[str, ...]
    """Other products of the set, by chance; only in the product's first row."""


def read_intention_qa(folder: Path, faults: Counter[str]) -> Iterator[CoPurchase]:
    """The rows of a folder's task files (or one file), in order. A file is held whole: lists need all its products."""
    for path in find_tables(folder, "*task1", "*task2"):
        rows = [row for row in read_table(path, FIELDS) if _serves(row, faults)]
        yield from _joined(rows, faults)


def _serves(row: RawRow, faults: Counter[str]) -> bool:
    if row.text("item_a_name").strip() and row.text("item_b_name").strip():
        return True
    faults["IntentionQA: a product without a name, dropped"] += 1
    return False


def _joined(rows: list[RawRow], faults: Counter[str]) -> Iterator[CoPurchase]:
    bought: defaultdict[str, dict[str, None]] = defaultdict(dict)
    wrong: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for row in rows:
        bought[row.text("item_a_name")][row.text("item_b_name")] = None
        wrong[row.text("item_a_name")].update(dict.fromkeys(row.texts_or_none(_PRODUCTS)))
    names = list(bought)
    seen: set[str] = set()
    pairs: set[tuple[str, str]] = set()
    for row in rows:
        name = row.text("item_a_name")
        offered = row.texts_or_none(_PRODUCTS)
        others = tuple(one for one in offered if one not in bought[name] and one != name)
        count(faults, "IntentionQA: a distractor that is bought with the product, left out", len(offered) - len(others))
        first, pair = name not in seen, (name, row.text("item_b_name"))
        another_reason = pair in pairs
        seen.add(name)
        pairs.add(pair)
        together = tuple(bought[name]) if first else ()
        yield CoPurchase(
            product=name,
            bought=row.text("item_b_name"),
            reason=_reason_of(row, faults),
            another_reason=another_reason,
            other_products=others,
            other_reasons=tuple(_worded(one) for one in row.texts_or_none(_REASONS)),
            also_bought=together,
            unrelated=tuple(one for one in _pool(wrong[name], names) if one not in bought[name] and one != name)
            if first
            else (),
        )


def _pool(wrong: dict[str, None], names: list[str]) -> tuple[str, ...]:
    """The distractors, then a stretch of the set's other products that starts at a place of its own."""
    start = sum(map(len, wrong)) % max(1, len(names))
    return tuple(dict.fromkeys([*wrong, *names[start : start + 40], *names[: max(0, start + 40 - len(names))]]))


def _reason_of(row: RawRow, faults: Counter[str]) -> str:
    """The assertion without its opening; "PersonX" is a placeholder of the set it was made from."""
    reason = _OPENING.sub("", row.text("assertion")).strip()
    count(faults, "IntentionQA: 'PersonX' in a reason put in words", "PersonX" in reason)
    return _worded(reason)


def _worded(reason: str) -> str:
    return one_line(reason.replace("PersonX", "the person"))


INTENTION_QA = PublishedSource(
    "IntentionQA", "MIT", "GitHub, HKUST-KnowComp/IntentionQA (Ding et al. 2024)", read_intention_qa
)
_intention = TaskGroup[CoPurchase](INTENTION_QA, Capability.USER_BEHAVIOUR, "intention_qa", "intention_")
_SELECTED = 3
_RANKED = 5


@_intention("co-purchases", CHOICE)
def _complement(record: CoPurchase, rng: random.Random) -> Iterator[Draft]:
    if record.other_products:
        options, number = choices(record.bought, record.other_products[: OPTIONS - 1], rng)
        yield Draft({"product": record.product, "options": options}, number, record.product)


@_intention("purchase intention", CHOICE)
def _product_by_reason(record: CoPurchase, rng: random.Random) -> Iterator[Draft]:
    for draft in _complement.draw(record, rng):
        reason = record.reason if record.reason.endswith((".", "!", "?")) else f"{record.reason}."
        yield Draft({**draft.variables, "reason": reason}, draft.gold, draft.group)


@_intention("purchase intention", CHOICE)
def _reason_choice(record: CoPurchase, rng: random.Random) -> Iterator[Draft]:
    others = [reason for reason in dict.fromkeys(record.other_reasons) if reason != record.reason]
    if others:
        options, number = choices(record.reason, others[: OPTIONS - 1], rng)
        variables = {"product": record.product, "bought": record.bought, "options": options}
        yield Draft(variables, number, record.product)


@_intention("purchase intention", GENERATION, Metric.SENT_TRANSFORMER)
def _reason(record: CoPurchase, rng: random.Random) -> Iterator[Draft]:  # noqa: ARG001 - as the others take it
    """One reason of a pair: a question has one answer."""
    if not record.another_reason:
        text = record.reason[:1].upper() + record.reason[1:]
        yield Draft({"product": record.product, "bought": record.bought}, text, record.product)


@_intention("co-purchases", RETRIEVAL)
def _also_bought(record: CoPurchase, rng: random.Random) -> Iterator[Draft]:
    gold = record.also_bought[:_SELECTED]
    others = record.unrelated[: LISTED - len(gold)]
    if gold and len(gold) + len(others) == LISTED:
        listed, numbers = selection(gold, others, rng)
        yield Draft({"product": record.product, "list": listed}, numbers, record.product)


@_intention("co-purchases", RANKING)
def _ranking(record: CoPurchase, rng: random.Random) -> Iterator[Draft]:
    gold = record.also_bought[:2]
    others = record.unrelated[: _RANKED - len(gold)]
    if gold and len(gold) + len(others) == _RANKED:
        listed, relevances = graded([*((one, 1.0) for one in gold), *((one, 0.0) for one in others)], rng)
        yield Draft({"product": record.product, "list": listed}, relevances, record.product)


SOURCES = (INTENTION_QA,)
TASKS = _intention.tasks()
