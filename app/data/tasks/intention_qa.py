"""Training tasks of IntentionQA: what is bought together, and why."""

import random
from collections.abc import Callable, Iterable, Iterator

from app.data.row import Capability
from app.data.sources.intention_qa import CoPurchase
from app.data.tasks.task import LISTED, OPTIONS, Draft, TrainingTask, choices, graded, selection
from app.evaluate.names import Metric
from app.types import TaskType

_SELECTED = 3
_RANKED = 5

COMPLEMENT = (
    "A shopper puts '{{ product }}' into the basket. Which product goes with it?\n{{ options }}\nAnswer:",
    "Which of these products is most likely bought together with '{{ product }}'?\n{{ options }}\nAnswer:",
    "Product: {{ product }}\nChoose the product that complements it best.\n{{ options }}\nOutput:",
)
BY_REASON = (
    "A shopper bought '{{ product }}' and is going to buy another product {{ reason }} Which one is it?\n"
    "{{ options }}\nAnswer:",
    "Product: {{ product }}\nThe shopper buys a second product with it, {{ reason }}\nWhat is the second product?\n"
    "{{ options }}\nAnswer:",
)
REASON_CHOICE = (
    "A shopper bought '{{ product }}' together with '{{ bought }}'. What is the most likely intention?\n{{ options }}\n"
    "Answer:",
    "Product A: {{ product }}\nProduct B: {{ bought }}\nChoose the reason for buying both.\n{{ options }}\nAnswer:",
)
REASON = (
    "Explain in one sentence why a shopper buys these two products together.\nProduct A: {{ product }}\n"
    "Product B: {{ bought }}\nReason:",
    "Instruction: Describe what may have led a customer to buy both products at once.\nProduct A: {{ product }}\n"
    "Product B: {{ bought }}\nOutput:",
    "A customer ordered '{{ product }}' and '{{ bought }}'. Why would one buy them together? Answer briefly.\nOutput:",
)
ALSO_BOUGHT = (
    "Which three products of the list go with '{{ product }}'? Answer with their numbers, separated by commas.\n"
    "Products:\n{{ list }}\nAnswer:",
    "A user of an online shop has just purchased '{{ product }}'. Select three products of the following numbered list"
    " that the user may also buy. Output three numbers between commas and nothing else.\nProduct List:\n{{ list }}\n"
    "Output:",
    "Purchased product: {{ product }}\nBelow is a numbered list of products. Choose the three that customers most"
    " likely buy as well and give their numbers, separated by commas.\nProduct List:\n{{ list }}\nOutput:",
)
RANKING = (
    "A customer has bought '{{ product }}'. Rank the following five products by how likely the customer buys them too,"
    " the most likely first. Output the five numbers, separated by commas.\nProduct List:\n{{ list }}\nOutput:",
    "Purchased product: {{ product }}\nRank the products of the list by how often they are bought together with it, the"
    " most frequent first. Answer with all five numbers between commas.\nProduct List:\n{{ list }}\nRanking:",
    "Given the purchase below, sort the numbered products from the best to the worst complement. Give a permutation of"
    " 1 to 5 between commas.\nPurchase: {{ product }}\nProduct List:\n{{ list }}\nOutput:",
)


def _complement(record: CoPurchase, rng: random.Random) -> Iterator[Draft]:
    if record.other_products:
        options, number = choices(record.bought, record.other_products[: OPTIONS - 1], rng)
        yield Draft({"product": record.product, "options": options}, number, record.product)


def _by_reason(record: CoPurchase, rng: random.Random) -> Iterator[Draft]:
    for draft in _complement(record, rng):
        reason = record.reason if record.reason.endswith((".", "!", "?")) else f"{record.reason}."
        yield Draft({**draft.variables, "reason": reason}, draft.gold, draft.group)


def _reason_choice(record: CoPurchase, rng: random.Random) -> Iterator[Draft]:
    others = [reason for reason in dict.fromkeys(record.other_reasons) if reason != record.reason]
    if others:
        options, number = choices(record.reason, others[: OPTIONS - 1], rng)
        variables = {"product": record.product, "bought": record.bought, "options": options}
        yield Draft(variables, number, record.product)


def _reason(record: CoPurchase, rng: random.Random) -> Iterator[Draft]:  # noqa: ARG001 - as the others take it
    """One reason of a pair: a question has one answer."""
    if not record.another_reason:
        text = record.reason[:1].upper() + record.reason[1:]
        yield Draft({"product": record.product, "bought": record.bought}, text, record.product)


def _also_bought(record: CoPurchase, rng: random.Random) -> Iterator[Draft]:
    gold = record.also_bought[:_SELECTED]
    others = record.unrelated[: LISTED - len(gold)]
    if gold and len(gold) + len(others) == LISTED:
        listed, numbers = selection(gold, others, rng)
        yield Draft({"product": record.product, "list": listed}, numbers, record.product)


def _ranking(record: CoPurchase, rng: random.Random) -> Iterator[Draft]:
    gold = record.also_bought[:2]
    others = record.unrelated[: _RANKED - len(gold)]
    if gold and len(gold) + len(others) == _RANKED:
        listed, relevances = graded([*((one, 1.0) for one in gold), *((one, 0.0) for one in others)], rng)
        yield Draft({"product": record.product, "list": listed}, relevances, record.product)


def _task(
    name: str,
    sub_skill: str,
    task_type: TaskType,
    metric: Metric,
    wordings: tuple[str, ...],
    draw: Callable[[CoPurchase, random.Random], Iterable[Draft]],
) -> TrainingTask[CoPurchase]:
    return TrainingTask(
        f"intention_{name}",
        Capability.USER_BEHAVIOUR,
        sub_skill,
        task_type,
        metric.value,
        "IntentionQA",
        wordings,
        draw,
    )


_CHOICE, _ACCURACY = TaskType.MULTIPLE_CHOICE, Metric.ACCURACY
INTENTION_TASKS: tuple[TrainingTask[CoPurchase], ...] = (
    _task("complement", "co-purchases", _CHOICE, _ACCURACY, COMPLEMENT, _complement),
    _task("product_by_reason", "purchase intention", _CHOICE, _ACCURACY, BY_REASON, _by_reason),
    _task("reason_choice", "purchase intention", _CHOICE, _ACCURACY, REASON_CHOICE, _reason_choice),
    _task("reason", "purchase intention", TaskType.GENERATION, Metric.SENT_TRANSFORMER, REASON, _reason),
    _task("also_bought", "co-purchases", TaskType.RETRIEVAL, Metric.HIT_RATE_AT_3, ALSO_BOUGHT, _also_bought),
    _task("ranking", "co-purchases", TaskType.RANKING, Metric.NDCG, RANKING, _ranking),
)
