"""Amazon Reviews 2023: reviews and products of a category.

Schema, JSON lines (.gz too): <Category>.jsonl with `rating`, `title`, `text`, `asin`, `parent_asin`, `helpful_vote`,
`verified_purchase`; meta_<Category>.jsonl with `parent_asin`, `title`, `main_category`, `features`, `description`,
`categories`, `bought_together` (often null), `store`, `details` (the set's own page and card, McAuley Lab).
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from app.data.sources.reading import RawRow, TitlePool, count, find_tables, read_table
from app.data.sources.spill import SpillTable

REVIEWS = ("rating", "title", "text", "parent_asin", "helpful_vote")
PRODUCTS = ("parent_asin", "title", "features", "description")
_META = "meta_"
EACH = 10
"""Reviews kept of a product: the most helpful ones."""
_SHORTEST = 20
"""Characters of a review that says something."""


@dataclass(frozen=True, slots=True)
class Review:
    """One review."""

    rating: int
    """1 to 5."""
    title: str
    text: str
    helpful_votes: int


@dataclass(frozen=True, slots=True)
class ReviewedProduct:
    """A product with its reviews and what stands round it."""

    id: str
    title: str
    """Empty where the meta file does not have the product."""
    category: str
    features: tuple[str, ...]
    description: str
    bought_together: tuple[str, ...]
    """Titles."""
    reviews: tuple[Review, ...]
    """The most helpful first."""
    shop: TitlePool = field(repr=False, compare=False)

    def others(self) -> tuple[str, ...]:
        """Titles of other products of the category, by chance."""
        return self.shop.draw(f"Amazon Reviews/{self.id}", {*self.bought_together, self.title})


def read_amazon_reviews(folder: Path, faults: Counter[str]) -> Iterator[ReviewedProduct]:
    """The products of a folder's categories with their reviews; both files go through tables on disk.

    Raises:
        InputError: a file is missing or has another schema.
        SetupError: the disk is full.
    """
    for path in find_tables(folder, "*"):
        if path.name.startswith(_META):
            continue
        category = path.name.split(".")[0]
        metas = sorted(folder.glob(f"{_META}{category}.*")) if folder.is_dir() else []
        products = SpillTable().fill(_products(metas[0], category) if metas else ())
        reviews = SpillTable().fill(_reviews(path, faults))
        for identity, group in reviews.groups():
            yield _product(identity, group, products, category, faults)


def _products(path: Path, category: str) -> Iterator[tuple[str, dict[str, object]]]:
    for row in read_table(path, PRODUCTS, ("main_category", "bought_together")):
        yield (
            row.text("parent_asin"),
            {
                "title": _line(row.text_or("title")),
                "category": row.text_or("main_category", category.replace("_", " ")),
                "features": [_line(feature) for feature in _listed(row, "features")],
                "description": _line(" ".join(_listed(row, "description"))),
                "bought_together": _listed(row, "bought_together"),
            },
        )


def _reviews(path: Path, faults: Counter[str]) -> Iterator[tuple[str, list[object]]]:
    for row in read_table(path, REVIEWS):
        text = _line(row.text("text").replace("<br />", " "))
        rating = row.number("rating")
        if len(text) < _SHORTEST:
            faults["Amazon Reviews: a review of few words, dropped"] += 1
        elif rating not in {1, 2, 3, 4, 5}:
            faults["Amazon Reviews: a rating that is not 1 to 5, dropped"] += 1
        else:
            yield row.text("parent_asin"), [int(rating), _line(row.text("title")), text, row.whole("helpful_vote")]


def _product(
    identity: str, group: list[list[object]], products: SpillTable, category: str, faults: Counter[str]
) -> ReviewedProduct:
    reviews = {
        str(text): Review(_whole(rating), str(title), str(text), _whole(votes)) for rating, title, text, votes in group
    }
    count(faults, "Amazon Reviews: the same review of one product again, dropped", len(group) - len(reviews))
    best = sorted(reviews.values(), key=lambda review: -review.helpful_votes)[:EACH]
    meta = products.first(identity)
    if meta is None:
        faults["Amazon Reviews: a product without meta data, its reviews kept"] += 1
        meta = {"title": "", "category": category.replace("_", " "), "features": [], "description": ""}
    together = [_title(products, other) for other in meta.get("bought_together", ())]
    count(faults, "Amazon Reviews: a product bought together without a title, left out", together.count(""))
    return ReviewedProduct(
        id=identity,
        title=meta["title"],
        category=meta["category"],
        features=tuple(feature for feature in meta["features"] if feature),
        description=meta["description"],
        bought_together=tuple(dict.fromkeys(title for title in together if title)),
        reviews=tuple(best),
        shop=TitlePool(products, range(len(products))),
    )


def _title(products: SpillTable, identity: str) -> str:
    found = products.first(identity)
    return found["title"] if found else ""


def _listed(row: RawRow, name: str) -> tuple[str, ...]:
    return row.texts(name) if row.has(name) else ()


def _line(text: str) -> str:
    return " ".join(text.split())


def _whole(value: object) -> int:
    return int(str(value))
