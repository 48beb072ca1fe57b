"""Amazon's Shopping Queries (ESCI): queries with products that people judged exact, substitute, complement, irrelevant.

Schema: shopping_queries_dataset_examples (`query`, `query_id`, `product_id`, `product_locale`, `esci_label`, `split`,
also `example_id`, `small_version`, `large_version`) and shopping_queries_dataset_products (`product_id`,
`product_title`, `product_locale`, also description, bullet points, brand, colour), both Parquet: the repository's own
README and the code that joins them (amazon-science/esci-data, ninglab/eCeLLM). A table that has both joined is read
as well. Locales are us, es and jp.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from pathlib import Path

from app.data.sources.reading import RawRow, find_tables, read_table
from app.data.sources.spill import SpillTable

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

    Raises:
        InputError: a file has another schema, or the products are missing.
        SetupError: the disk is full, or Parquet cannot be read.
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
        return lambda row: _one_line(row.text_or("product_title"))
    table = _products(find_tables(folder, "*products*")[0])
    return lambda row: str(table.first(f"{row.text('product_locale')}/{row.text('product_id')}") or "")


def _products(path: Path) -> SpillTable:
    stamp = path.stat().st_mtime_ns if path.is_file() else 0
    return _spilled(path, stamp)


@lru_cache(maxsize=1)
def _spilled(path: Path, stamp: int) -> SpillTable:  # noqa: ARG001 - a file that was written anew is read anew
    rows = read_table(path, PRODUCTS)
    return SpillTable().fill(
        (f"{row.text('product_locale')}/{row.text('product_id')}", _one_line(row.text_or("product_title")))
        for row in rows
    )


def _one_line(title: str) -> str:
    return " ".join(title.split())
