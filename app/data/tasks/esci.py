"""Training tasks of ESCI: queries and products, in English and, apart, in Spanish and Japanese."""

import random
from collections.abc import Callable, Iterable, Iterator

from app.data.row import Capability
from app.data.sources.esci import QueryResults
from app.data.tasks.task import OPTIONS, Draft, TrainingTask, choices, graded, selection
from app.evaluate.names import Metric
from app.types import TaskType

RELEVANCES = {"E": 1.0, "S": 0.1, "C": 0.01, "I": 0.0}
"""ShopBench's own: the relevances of its ranking task, and the gains of the KDD Cup 2022."""
RELATIONS = {
    "E": "The product has everything that the query asks for.",
    "S": "The product lacks a part of what the query asks for, but can take the place of one that has it.",
    "C": "The product is not what the query asks for, but goes with it.",
    "I": "The product has nothing to do with the query.",
}
_RANKED = 5
_SELECTED = 3
_LISTED = (8, 15)

RANKING = (
    "A user has searched for '{{ query }}'. Rank the following numbered list of five products by their relevance to the"
    " query, the most relevant first. Output a permutation of 1 to 5 between commas, and nothing else.\n"
    "Product List:\n{{ list }}\nOutput:",
    "Query: {{ query }}\nSort these products from the most to the least relevant for the query. Give the five numbers,"
    " separated by commas.\nProduct List:\n{{ list }}\nOutput:",
    "Put the products below in order of relevance to the search '{{ query }}', best first. Answer with the numbers"
    " only, separated by commas.\nProduct List:\n{{ list }}\nRanking:",
)
RELATION = (
    "Which statement describes how the product relates to the query?\nQuery: {{ query }}\nProduct: {{ product }}\n"
    "{{ options }}\nAnswer:",
    "A user searched for '{{ query }}' and is shown '{{ product }}'. What holds?\n{{ options }}\nAnswer:",
)
BEST = (
    "Which product answers the query '{{ query }}' best?\n{{ options }}\nAnswer:",
    "Query: {{ query }}\nChoose the product that the user is looking for.\n{{ options }}\nOutput the number only:",
)
EXACT = (
    "A user has searched for '{{ query }}'. Select three products of the numbered list that fulfil the whole query."
    " Output three numbers, separated by commas, and no explanation.\nProduct List:\n{{ list }}\nOutput:",
    "Query: {{ query }}\nYou are given a numbered list of products. Choose the three that match the query exactly and"
    " give their numbers between commas.\nProduct List:\n{{ list }}\nOutput:",
)


def _ranking(record: QueryResults, rng: random.Random) -> Iterator[Draft]:
    """Five products with two labels at least: one of each label first, then whatever comes."""
    products = list(record.products)
    rng.shuffle(products)
    firsts = list({product.label: product for product in products}.values())
    rest = [product for product in products if product not in firsts]
    chosen = [*firsts, *rest][:_RANKED]
    if len(firsts) > 1 and len(chosen) == _RANKED:
        listed, relevances = graded([(product.title, RELEVANCES[product.label]) for product in chosen], rng)
        yield _draft(record, {"list": listed}, relevances)


def _relation(record: QueryResults, rng: random.Random) -> Iterator[Draft]:
    """A product of a label that is drawn first, so that the rare labels come as often as they can."""
    label = rng.choice(sorted({product.label for product in record.products}))
    others = [text for one, text in RELATIONS.items() if one != label]
    options, number = choices(RELATIONS[label], others, rng)
    yield _draft(record, {"product": rng.choice(record.with_label(label)), "options": options}, number)


def _best(record: QueryResults, rng: random.Random) -> Iterator[Draft]:
    """An exact product among worse ones, the worst of them last to be taken in."""
    exact, others = record.with_label("E"), record.with_label("I", "C")
    if len(others) < OPTIONS - 1:
        others = [*others, *record.with_label("S")]
    if exact and len(others) >= OPTIONS - 1:
        options, number = choices(rng.choice(exact), rng.sample(others, OPTIONS - 1), rng)
        yield _draft(record, {"options": options}, number)


def _exact(record: QueryResults, rng: random.Random) -> Iterator[Draft]:
    exact, others = record.with_label("E"), record.with_label("S", "C", "I")
    count = min(rng.randint(*_LISTED), _SELECTED + len(others))
    if len(exact) >= _SELECTED and count >= _LISTED[0]:
        listed, numbers = selection(rng.sample(exact, _SELECTED), rng.sample(others, count - _SELECTED), rng)
        yield _draft(record, {"list": listed}, numbers)


def _draft(record: QueryResults, variables: dict[str, object], gold: object) -> Draft:
    return Draft({"query": record.query, **variables}, gold, f"{record.locale}/{record.query}", record.language)


_Draw = Callable[[QueryResults, random.Random], Iterable[Draft]]
_FORMS: tuple[tuple[str, str, TaskType, Metric, tuple[str, ...], _Draw], ...] = (
    ("ranking", "query and product ranking", TaskType.RANKING, Metric.NDCG, RANKING, _ranking),
    ("relation", "query and product relation", TaskType.MULTIPLE_CHOICE, Metric.ACCURACY, RELATION, _relation),
    ("best", "product search", TaskType.MULTIPLE_CHOICE, Metric.ACCURACY, BEST, _best),
    ("exact", "product search", TaskType.RETRIEVAL, Metric.HIT_RATE_AT_3, EXACT, _exact),
)


def _tasks(suffix: str, capability: Capability, languages: tuple[str, ...]) -> Iterator[TrainingTask[QueryResults]]:
    for name, sub_skill, task_type, metric, wordings, draw in _FORMS:
        chosen = _of_languages(draw, languages)
        task = f"esci_{name}{suffix}"
        yield TrainingTask(task, capability, sub_skill, task_type, metric.value, "ESCI", wordings, chosen, languages)


def _of_languages(draw: _Draw, languages: tuple[str, ...]) -> _Draw:
    return lambda record, rng: draw(record, rng) if record.language in languages else ()


QUERY_TASKS: tuple[TrainingTask[QueryResults], ...] = (
    *_tasks("", Capability.USER_BEHAVIOUR, ("en",)),
    *_tasks("_languages", Capability.MULTILINGUAL, ("es", "ja")),
)
