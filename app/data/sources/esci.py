"""Amazon's Shopping Queries (ESCI): queries with products that people judged exact, substitute, complement, irrelevant.

Schema: shopping_queries_dataset_examples (`query`, `query_id`, `product_id`, `product_locale`, `esci_label`, `split`,
also `example_id`, `small_version`, `large_version`) and shopping_queries_dataset_products (`product_id`,
`product_title`, `product_locale`, also description, bullet points, brand, colour), both Parquet: the repository's own
README and the code that joins them (amazon-science/esci-data, ninglab/eCeLLM). A table that has both joined is read
as well. Locales are us, es and jp.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from app.data.row import Capability
from app.data.sources.reading import RawRow, find_tables, one_line, read_table
from app.data.sources.spill import SpillTable, once_a_file
from app.data.tasks.lists import OPTIONS, choices, graded, selection
from app.data.tasks.task import CHOICE, RANKING, RETRIEVAL, Draft, Drafting, PublishedSource, TaskGroup, TrainingTask
from app.types import TaskType

EXAMPLES = ("query", "query_id", "product_id", "product_locale", "esci_label")
PRODUCTS = ("product_id", "product_title", "product_locale")
LABELS = {"E": "E", "S": "S", "C": "C", "I": "I", "exact": "E", "substitute": "S", "complement": "C", "irrelevant": "I"}
"""The two spellings that have been published."""
LOCALES = {"us": "en", "es": "es", "jp": "ja"}


@dataclass(frozen=True, slots=True)
class Judged:
    """A product with its label for a query: E, S, C or I."""

    title: str
    label: str


@dataclass(frozen=True, slots=True)
class QueryResults:
    """A query with its judged products, each title once."""

    query: str
    locale: str
    language: str
    products: tuple[Judged, ...]

    def with_label(self, *labels: str) -> list[str]:
        """The titles of these labels."""
        return [product.title for product in self.products if product.label in labels]


def read_esci(folder: Path, faults: Counter[str]) -> Iterator[QueryResults]:
    """The training queries of a folder with the two tables, or of one table that has them joined.

    Rows of a query stand together, as published. Titles are looked up in a table on disk.
    """
    for path in find_tables(folder, "*examples*", "*shopping_queries*train*"):
        rows = read_table(path, EXAMPLES, ("product_title", "split"))
        kept = (row for row in rows if _trains(row, faults))
        title: Callable[[RawRow], str] | None = None
        for (_, locale, query), group in groupby(kept, key=_query):
            judged: dict[str, str] = {}
            for row in group:
                title = title or _titles(folder, row)
                _judge(row, title(row), judged, faults)
            if judged:
                products = tuple(Judged(name, label) for name, label in judged.items())
                yield QueryResults(query, locale, LOCALES[locale], products)


def _query(row: RawRow) -> tuple[str, str, str]:
    locale = row.text("product_locale")
    if locale not in LOCALES:
        raise row.wrong("product_locale", f"one of {', '.join(LOCALES)}", locale)
    return str(row.whole("query_id")), locale, row.text("query").strip()


def _trains(row: RawRow, faults: Counter[str]) -> bool:
    if row.text_or("split", "train") == "train":
        return True
    faults["ESCI: not of the training split, left out"] += 1
    return False


def _judge(row: RawRow, title: str, judged: dict[str, str], faults: Counter[str]) -> None:
    label = LABELS.get(row.text("esci_label"))
    if label is None:
        raise row.wrong("esci_label", "E, S, C or I", row.text("esci_label"))
    if not title:
        faults["ESCI: no title for a product, dropped"] += 1
    elif judged.setdefault(title, label) != label:
        faults["ESCI: one title with two labels, the first kept"] += 1


def _titles(folder: Path, row: RawRow) -> Callable[[RawRow], str]:
    """How a row's title is found: in the row itself where the tables come joined, else in the products' table."""
    if "product_title" in row.values:
        return lambda row: one_line(row.text_or("product_title"))
    table = _products(find_tables(folder, "*products*")[0])
    return lambda row: str(table.first(f"{row.text('product_locale')}/{row.text('product_id')}") or "")


@once_a_file
def _products(path: Path) -> SpillTable:
    rows = read_table(path, PRODUCTS)
    return SpillTable(
        (f"{row.text('product_locale')}/{row.text('product_id')}", one_line(row.text_or("product_title")))
        for row in rows
    )


ESCI = PublishedSource("ESCI", "Apache-2.0", "GitHub, amazon-science/esci-data (Reddy et al. 2022)", read_esci)
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


SOURCES = (ESCI,)
TASKS = (*_tasks("", Capability.USER_BEHAVIOUR, "en"), *_tasks("_languages", Capability.MULTILINGUAL, "es", "ja"))
