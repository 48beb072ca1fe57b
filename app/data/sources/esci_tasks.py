"""What is asked about ESCI's queries and their products: order, relation, retrieval; category, brand and colour."""

import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from difflib import SequenceMatcher

from app.data.row import Capability
from app.data.sources.esci import ESCI, Judged, QueryResults
from app.data.tasks.lists import OPTIONS, choices, content_words, graded, selection
from app.data.tasks.task import CHOICE, NER, RANKING, RETRIEVAL, Draft, Drafting, TaskGroup, TrainingTask
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
_LISTED = 10
_MOST = 24
"""Rows that one query gives a task, so that a few queries with many products do not fill it."""
_OF_A_LABEL = 6


def _times(record: QueryResults) -> range:
    """How often a query is asked: half as often as it has products."""
    return range(min(_MOST, len(record.products) // 2))


def _ranking(record: QueryResults, rng: random.Random) -> Iterator[Draft]:
    """Five products with two labels at least: one of each label first, then whatever comes."""
    for _ in _times(record):
        products = rng.sample(record.products, len(record.products))
        firsts = list({product.label: product for product in products}.values())
        rest = [product for product in products if product not in firsts]
        chosen = [*firsts, *rest][:_RANKED]
        if len(firsts) > 1 and len(chosen) == _RANKED:
            listed, relevances = graded([(product.title, RELEVANCES[product.label]) for product in chosen], rng)
            yield _draft(record, {"list": listed}, relevances)


def _relation(record: QueryResults, rng: random.Random) -> Iterator[Draft]:
    """As many products of every label as there are, up to a few, so that the rare labels come as often as they can."""
    for label, relation in RELATIONS.items():
        titles = record.with_label(label)
        others = [text for one, text in RELATIONS.items() if one != label]
        for title in rng.sample(titles, min(_OF_A_LABEL, len(titles))):
            options, number = choices(relation, others, rng)
            yield _draft(record, {"product": title, "options": options}, number)


def _best(record: QueryResults, rng: random.Random) -> Iterator[Draft]:
    """An exact product among worse ones; substitutes only where the others are too few."""
    exact, others = record.with_label("E"), record.with_label("I", "C")
    if len(others) < OPTIONS - 1:
        others = [*others, *record.with_label("S")]
    if len(others) >= OPTIONS - 1:
        for title in rng.sample(exact, min(len(exact), len(_times(record)))):
            options, number = choices(title, rng.sample(others, OPTIONS - 1), rng)
            yield _draft(record, {"options": options}, number)


def _exact(record: QueryResults, rng: random.Random) -> Iterator[Draft]:
    exact, others = record.with_label("E"), record.with_label("S", "C", "I")
    if len(exact) >= _SELECTED and len(others) >= _LISTED - _SELECTED:
        for _ in _times(record):
            gold, rest = rng.sample(exact, _SELECTED), rng.sample(others, _LISTED - _SELECTED)
            listed, numbers = selection(gold, rest, rng)
            yield _draft(record, {"list": listed}, numbers)


def _draft(record: QueryResults, variables: dict[str, object], gold: object) -> Draft:
    return Draft({"query": record.query, **variables}, gold, record.group, record.language)


_FORMS: tuple[tuple[str, TaskType, Drafting[QueryResults]], ...] = (
    ("query and product ranking", RANKING, _ranking),
    ("query and product relation", CHOICE, _relation),
    ("product search", CHOICE, _best),
    ("product search", RETRIEVAL, _exact),
)


def _tasks(suffix: str, capability: Capability, *languages: str) -> tuple[TrainingTask[QueryResults], ...]:
    task = TaskGroup[QueryResults](ESCI, capability, "esci", "esci_", suffix)
    for sub_skill, task_type, draft in _FORMS:
        task(sub_skill, task_type, None, languages, where=lambda record: record.language in languages)(draft)
    return task.tasks()


_product = TaskGroup[QueryResults](ESCI, Capability.CONCEPT_UNDERSTANDING, "esci_products", "esci_")
_DEEP = 3
"""Levels from which a category says what a product is."""
_TRIED = 100
"""Other categories that are looked at for a product."""


def _english(record: QueryResults) -> bool:
    return record.language == "en"


def _shown(category: Sequence[str]) -> str:
    """The last two levels: "Snacks" alone says little, "Treats > Snacks" enough."""
    return " > ".join(category[-2:])


@_product("category classification", CHOICE, where=_english)
def _category(record: QueryResults, rng: random.Random) -> Iterator[Draft]:
    """Wrong ones are of another second level, share no word with the right one, and are not named in the title."""
    for product in record.products:
        if len(product.category) < _DEEP:
            continue
        shown, named = content_words(_shown(product.category)), content_words(product.title)
        near: list[str] = []
        far: list[str] = []
        for other in rng.sample(record.categories, min(_TRIED, len(record.categories))):
            last = content_words(other[-1])
            if (
                len(other) >= _DEEP
                and other[:2] != product.category[:2]
                and shown.isdisjoint(content_words(_shown(other)))
                and not last <= named
            ):
                (near if other[0] == product.category[0] else far).append(_shown(other))
        wrong = list(dict.fromkeys([*near[: OPTIONS // 2], *far[:OPTIONS]]))[: OPTIONS - 1]
        if len(wrong) == OPTIONS - 1:
            options, number = choices(_shown(product.category), wrong, rng)
            yield _draft(record, {"product": product.title, "options": options}, number)


_COMMON = 3
"""Products of a query with a colour, from which it is one, and not the name of a pattern or a pack."""
_COLOR = re.compile(r"[^\W\d_]+(?:[ -][^\W\d_]+)?")
_SIMILAR = 0.7
_LONGEST_BRAND = 25


def _stands(value: str, title: str) -> str:
    """The value in the title's own letters where it stands there once as whole words, else nothing."""
    found = re.findall(rf"(?<![\w&'’-]){re.escape(value)}(?![\w&'’-])", title, re.IGNORECASE) if value else []
    return str(found[0]) if len(found) == 1 else ""


def _brand_of(product: Judged) -> str:
    return _stands(product.brand, product.title)


def _colors(record: QueryResults) -> list[str]:
    """Names that several products of a query have as their colour, in lower case."""
    names = Counter(one.color.lower() for one in record.products if _COLOR.fullmatch(one.color))
    return [name for name, times in names.items() if times >= _COMMON and "multi" not in name]


def _color_of(product: Judged, colors: Sequence[str]) -> str:
    """The only colour that the title names, where it is the product's."""
    others = (one for one in colors if one != product.color.lower())
    known = product.color.lower() in colors and not any(_stands(one, product.title) for one in others)
    return _stands(product.color, product.title) if known else ""


def _among(gold: str, pool: Sequence[str], title: str, rng: random.Random) -> tuple[str, int] | None:
    """The gold value among others that the title does not name, and that are not just another spelling of it."""
    wrong: list[str] = []
    for one in rng.sample(pool, len(pool)):
        told = one.lower() in title.lower() or content_words(one) & content_words(gold)
        alike = (SequenceMatcher(None, one.lower(), other.lower()).ratio() >= _SIMILAR for other in (gold, *wrong))
        if not told and not any(alike):
            wrong.append(one)
    return choices(gold, wrong[: OPTIONS - 1], rng) if len(wrong) >= OPTIONS - 1 else None


@_product("attribute value inference", CHOICE, where=_english)
def _brand(record: QueryResults, rng: random.Random) -> Iterator[Draft]:
    brands = sorted({product.brand for product in record.products if 0 < len(product.brand) <= _LONGEST_BRAND})
    for product in record.products:
        brand = _brand_of(product)
        found = _among(brand, brands, product.title, rng) if brand else None
        if found:
            yield _draft(record, {"product": product.title, "options": found[0]}, found[1])


PALETTE = ("black", "white", "blue", "red", "brown", "green", "silver", "grey", "pink", "orange", "yellow", "purple")
"""Wrong colours, where a query's products have too few."""


@_product("attribute value inference", CHOICE, where=_english)
def _color(record: QueryResults, rng: random.Random) -> Iterator[Draft]:
    colors = sorted({*_colors(record), *PALETTE})
    for product in record.products:
        color = _color_of(product, colors)
        found = _among(color.lower(), colors, product.title, rng) if color else None
        if found:
            yield _draft(record, {"product": product.title, "options": found[0]}, found[1])


@_product("attribute value extraction", NER, where=_english)
def _words(record: QueryResults, rng: random.Random) -> Iterator[Draft]:
    """Brand or colour, one of them at random where a title has both; a brand's neighbours may be a part of it."""
    colors = sorted({*_colors(record), *PALETTE})
    spans: dict[str, Callable[[Judged], str]] = {"brand": _brand_of, "color": lambda one: _color_of(one, colors)}
    for product in record.products:
        found = {kind: span for kind, of in spans.items() if (span := of(product))}
        if found.get("brand", "").lower() in colors:
            del found["brand"]
        if found:
            kind = rng.choice(sorted(found))
            yield _draft(record, {"product": product.title, "kind": kind}, [found[kind]])


SOURCES = (ESCI,)
TASKS = (
    *_tasks("", Capability.USER_BEHAVIOUR, "en"),
    *_tasks("_languages", Capability.MULTILINGUAL, "es", "ja"),
    *_product.tasks(),
)
