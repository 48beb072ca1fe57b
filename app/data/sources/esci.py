"""Amazon's Shopping Queries (ESCI): queries with products that people judged exact, substitute, complement, irrelevant.

Two published forms are read. amazon-science/esci-data has Parquet tables: shopping_queries_dataset_examples (`query`,
`query_id`, `product_id`, `product_locale`, `esci_label`, `split`, also `example_id`, `small_version`,
`large_version`) and shopping_queries_dataset_products (`product_id`, `product_title`, `product_locale`, also
description, bullet points, `product_brand`, `product_color`), or one table that has both joined; locales are us, es
and jp. OpenSearch's *judgments*.json has `judgmentRatings`, a list of `query` and `ratings` (`docId`, and `rating`:
100, 10, 1 or 0), with *ecommerce_products*.json, JSON lines (`asin`, `title`, `brand`, `color`, `category` as a
path), US English alone (opensearch-project/search-relevance, dashboards-search-relevance).
"""

import html
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from app.data.sources.reading import RawRow, count, find_tables, joined, one_line, read_table
from app.data.sources.spill import SpillTable, once_a_file
from app.data.tasks.task import PublishedSource
from app.errors import InputError, library
from app.files import open_bytes

EXAMPLES = ("query", "query_id", "product_id", "product_locale", "esci_label")
PRODUCTS = ("product_id", "product_title", "product_locale")
_DETAILS = ("product_brand", "product_color")
LISTED_PRODUCTS = ("asin", "title", "brand", "color")
LABELS = {"E": "E", "S": "S", "C": "C", "I": "I", "exact": "E", "substitute": "S", "complement": "C", "irrelevant": "I"}
"""The two spellings that have been published."""
RATINGS = {100.0: "E", 10.0: "S", 1.0: "C", 0.0: "I"}
LOCALES = {"us": "en", "es": "es", "jp": "ja"}
_JUDGMENTS = "judgments"
_LISTED, _LISTED_LOCALE = "ecommerce_products", "us"


@dataclass(frozen=True, slots=True)
class Judged:
    """A product with its label for a query: E, S, C or I. What is not published is empty."""

    title: str
    label: str
    brand: str = ""
    color: str = ""
    category: tuple[str, ...] = ()
    """From the shop's department down."""


@dataclass(frozen=True, slots=True)
class QueryResults:
    """A query with its judged products, each title once."""

    query: str
    locale: str
    language: str
    products: tuple[Judged, ...]
    group: str
    """The same for queries that share a product, where the form lets them be held together."""
    categories: tuple[tuple[str, ...], ...] = field(default=(), repr=False, compare=False)
    """All of the products' table, each once."""

    def with_label(self, *labels: str) -> list[str]:
        """The titles of these labels."""
        return [product.title for product in self.products if product.label in labels]


def read_esci(folder: Path, faults: Counter[str]) -> Iterator[QueryResults]:
    """The training queries of a folder in either form, or of one table that has examples and products joined.

    Of tables the rows of a query stand together, as published; judgments are held whole. Products are looked up in a
    table on disk.
    """
    for path in find_tables(folder, f"*{_JUDGMENTS}*", "*examples*", "*shopping_queries*train*"):
        yield from (_of_judgments if _JUDGMENTS in path.name else _of_examples)(path, folder, faults)


def _of_examples(path: Path, folder: Path, faults: Counter[str]) -> Iterator[QueryResults]:
    rows = read_table(path, EXAMPLES, ("product_title", "split", *_DETAILS))
    kept = (row for row in rows if _trains(row, faults))
    product: Callable[[RawRow], dict[str, str] | None] | None = None
    for (_, locale, query), group in groupby(kept, key=_query):
        judged: dict[str, Judged] = {}
        for row in group:
            product = product or _products_of(folder, row)
            label = LABELS.get(row.text("esci_label"))
            if label is None:
                raise row.wrong("esci_label", "E, S, C or I", row.text("esci_label"))
            _judge(product(row), label, query, judged, faults)
        if judged:
            yield QueryResults(query, locale, LOCALES[locale], tuple(judged.values()), f"{locale}/{query}")


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


def _products_of(folder: Path, row: RawRow) -> Callable[[RawRow], dict[str, str] | None]:
    """How a row's product is found: in the row itself where the tables come joined, else in the products' table."""
    if "product_title" in row.values:
        return _details
    table = _table(min(find_tables(folder, "*products*"), key=lambda path: (_LISTED in path.name, path)))
    return lambda row: table.first(f"{row.text('product_locale')}/{row.text('product_id')}")


@once_a_file
def _table(path: Path) -> SpillTable:
    rows = read_table(path, PRODUCTS, _DETAILS)
    return SpillTable((f"{row.text('product_locale')}/{row.text('product_id')}", _details(row)) for row in rows)


def _details(row: RawRow) -> dict[str, str]:
    names = {"title": "product_title", "brand": "product_brand", "color": "product_color"}
    return {name: _plain(row.text_or(published)) for name, published in names.items()}


def _plain(text: str) -> str:
    return one_line(html.unescape(text))


def _of_judgments(path: Path, _: Path, faults: Counter[str]) -> Iterator[QueryResults]:
    table = _listed(find_tables(path.parent, f"*{_LISTED}*")[0])
    categories = tuple(dict.fromkeys(tuple(table.at(place)["category"]) for place in range(len(table))))
    found: dict[str, tuple[Judged, ...]] = {}
    known: set[str] = set()
    for row in _judgments(path):
        query = _plain(row.text("query"))
        judged: dict[str, Judged] = {}
        for identity, label in _ratings(row):
            known.add(identity)
            _judge(table.first(identity), label, query, judged, faults)
        if judged:
            found[query] = tuple(judged.values())
    count(faults, "ESCI: a product that no query has, left out", len(table) - len(known))
    first: dict[str, str] = {}
    groups = joined(
        (first.setdefault(product.title, query), query) for query, products in found.items() for product in products
    )
    for query, products in found.items():
        language, group = LOCALES[_LISTED_LOCALE], f"{_LISTED_LOCALE}/{groups[query]}"
        yield QueryResults(query, _LISTED_LOCALE, language, products, group, tuple(filter(None, categories)))


@once_a_file
def _listed(path: Path) -> SpillTable:
    rows = read_table(path, LISTED_PRODUCTS, ("category",))
    return SpillTable(
        (
            row.text("asin"),
            {name: _plain(row.text_or(name)) for name in ("title", "brand", "color")}
            | {"category": [_plain(level) for level in row.texts_or_none("category")]},
        )
        for row in rows
    )


def _judgments(path: Path) -> Iterator[RawRow]:
    """The queries of a file of judgments, one after another."""
    ijson = library("ijson", "a JSON file of ESCI", "train")
    row = None
    with open_bytes(path) as file:
        try:
            for number, value in enumerate(ijson.items(file, "judgmentRatings.item", use_float=True), start=1):
                row = RawRow(f"{path}, query {number}", value if isinstance(value, dict) else {})
                yield row
        except ijson.JSONError as error:
            raise InputError(f"{path} is not JSON: {' '.join(str(error).split())}") from error
    if row is None:
        raise InputError(f"{path}: no 'judgmentRatings'; fetch it again")


def _ratings(row: RawRow) -> Iterator[tuple[str, str]]:
    ratings = row.values.get("ratings")
    if not isinstance(ratings, list) or not all(isinstance(one, dict) for one in ratings):
        raise row.wrong("ratings", "a list of docId and rating", ratings)
    for number, values in enumerate(ratings, start=1):
        rating = RawRow(f"{row.place}, rating {number}", values)
        label = RATINGS.get(rating.number("rating"))
        if label is None:
            raise rating.wrong("rating", "100, 10, 1 or 0", values["rating"])
        yield rating.text("docId"), label


def _judge(
    product: dict[str, str] | None, label: str, query: str, judged: dict[str, Judged], faults: Counter[str]
) -> None:
    """Takes a product in, unless its label cannot be trusted."""
    if not product or not product["title"]:
        faults["ESCI: no title for a product, dropped"] += 1
    elif _LOST in product["title"]:
        faults["ESCI: characters of a title were lost, dropped"] += 1
    elif label == "E" and _overlooks(query, product["title"]):
        faults["ESCI: exact although it has what the query is to be without, dropped"] += 1
    else:
        title, category = product["title"], tuple(product.get("category") or ())
        kept = judged.setdefault(title, Judged(title, label, product["brand"], product["color"], category))
        if kept.label != label:
            faults["ESCI: one title with two labels, the first kept"] += 1


_LOST = "\N{REPLACEMENT CHARACTER}"
_WORD = re.compile(r"[^\W_]+")
_WITHOUT = re.compile(r"(?P<wanted>.*?)\bwithout\s+(?P<unwanted>.+?)(?:\s+with\b.*)?$", re.IGNORECASE)
_ABSENT = frozenset(["without", "no", "not", "non", "excluding"])
_NEAR = 3
"""Words after "without" for which it still holds: "without LED or UV lamp"."""
_PASSED_OVER = frozenset(["a", "an", "any", "and", "or", "the", "of", "for", "in"])


def _overlooks(query: str, title: str) -> bool:
    """Whether a title names what its query rules out, and speaks of no absence there: "belt with buckle"."""
    asked = _WITHOUT.match(query)
    if asked is None:
        return False
    unwanted = {*_words(asked["unwanted"])} - _PASSED_OVER - {*_words(asked["wanted"])}
    words = _words(title)
    return any(
        word in unwanted
        and _ABSENT.isdisjoint(words[max(0, place - _NEAR) : place])
        and words[place + 1 : place + 2] != ["free"]
        for place, word in enumerate(words)
    )


def _words(text: str) -> list[str]:
    """Its words in lower case, plurals as singulars."""
    return [word.removesuffix("s") for word in _WORD.findall(text.lower())]


ESCI = PublishedSource("ESCI", "Apache-2.0", "GitHub, amazon-science/esci-data (Reddy et al. 2022)", read_esci)
