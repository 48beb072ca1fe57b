"""Amazon Reviews 2023: reviews and products of a category.

Schema, JSON lines (.gz too): <Category>.jsonl with `rating`, `title`, `text`, `asin`, `parent_asin`, `helpful_vote`,
`verified_purchase`; meta_<Category>.jsonl with `parent_asin`, `title`, `main_category`, `features`, `description`,
`categories`, `bought_together` (often null), `store`, `details` (the set's own page and card, McAuley Lab).
"""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from app.data.row import Capability
from app.data.sources.reading import count, find_tables, one_line, read_table
from app.data.sources.spill import SpillTable, TitlePool
from app.data.tasks.lists import LISTED, graded, selection
from app.data.tasks.task import CHOICE, GENERATION, RANKING, RETRIEVAL, Draft, PublishedSource, TaskGroup
from app.evaluation.names import Metric

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
    """The products of a folder's categories with their reviews; both files go through tables on disk."""
    for path in find_tables(folder, "*"):
        if path.name.startswith(_META):
            continue
        category = path.name.split(".")[0]
        metas = sorted(folder.glob(f"{_META}{category}.*")) if folder.is_dir() else []
        products = SpillTable(_products(metas[0], category) if metas else ())
        reviews = SpillTable(_reviews(path, faults))
        for identity, group in reviews.groups():
            yield _product(identity, group, products, category, faults)


def _products(path: Path, category: str) -> Iterator[tuple[str, dict[str, object]]]:
    for row in read_table(path, PRODUCTS, ("main_category", "bought_together")):
        yield (
            row.text("parent_asin"),
            {
                "title": one_line(row.text_or("title")),
                "category": row.text_or("main_category", category.replace("_", " ")),
                "features": [one_line(feature) for feature in row.texts_or_none("features")],
                "description": one_line(" ".join(row.texts_or_none("description"))),
                "bought_together": row.texts_or_none("bought_together"),
            },
        )


def _reviews(path: Path, faults: Counter[str]) -> Iterator[tuple[str, tuple[int, str, str, int]]]:
    for row in read_table(path, REVIEWS):
        text = one_line(row.text("text").replace("<br />", " "))
        rating = row.number("rating")
        if len(text) < _SHORTEST:
            faults["Amazon Reviews: a review of few words, dropped"] += 1
        elif rating not in {1, 2, 3, 4, 5}:
            faults["Amazon Reviews: a rating that is not 1 to 5, dropped"] += 1
        else:
            yield row.text("parent_asin"), (int(rating), one_line(row.text("title")), text, row.whole("helpful_vote"))


def _product(
    identity: str, group: list[tuple[int, str, str, int]], products: SpillTable, category: str, faults: Counter[str]
) -> ReviewedProduct:
    reviews = {text: Review(rating, title, text, votes) for rating, title, text, votes in group}
    count(faults, "Amazon Reviews: the same review of one product again, dropped", len(group) - len(reviews))
    best = sorted(reviews.values(), key=lambda review: -review.helpful_votes)[:EACH]
    meta = products.first(identity)
    if meta is None:
        faults["Amazon Reviews: a product without meta data, its reviews kept"] += 1
        meta = {"title": "", "category": category.replace("_", " "), "features": [], "description": ""}
    together = [_title_of(products, other) for other in meta.get("bought_together", ())]
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


def _title_of(products: SpillTable, identity: str) -> str:
    found = products.first(identity)
    return found["title"] if found else ""


AMAZON_REVIEWS = PublishedSource(
    "Amazon Reviews 2023",
    "none stated",
    "Hugging Face, McAuley-Lab/Amazon-Reviews-2023 (Hou et al. 2024)",
    read_amazon_reviews,
)
_review = TaskGroup[ReviewedProduct](AMAZON_REVIEWS, Capability.USER_BEHAVIOUR, "amazon_reviews", "reviews_")
_RANKED = 5
_SELECTED = 3
_EXCERPT = 240
_LONGEST = 1200
_REVIEWS_USED = 3
"""Of one product, so that one with many does not fill the mixture."""


def _shortened(review: Review) -> str:
    return f"{review.text[:_EXCERPT].rsplit(' ', 1)[0]} ..." if len(review.text) > _EXCERPT else review.text


@_review("review rating", CHOICE)
def _rating(record: ReviewedProduct, rng: random.Random) -> Iterator[Draft]:  # noqa: ARG001 - as the others take it
    for review in record.reviews[:_REVIEWS_USED]:
        yield Draft({"review": review.text[:_LONGEST], "category": record.category}, review.rating, record.id)


@_review("review helpfulness", RANKING)
def _helpful(record: ReviewedProduct, rng: random.Random) -> Iterator[Draft]:
    """Five reviews with different numbers of votes; relevance falls by place, as votes span orders of magnitude."""
    chosen: list[Review] = []
    for review in record.reviews:
        if not chosen or review.helpful_votes < chosen[-1].helpful_votes:
            chosen.append(review)
    if record.title and len(chosen) >= _RANKED:
        best = chosen[:_RANKED]
        entries = [(_shortened(review), 1 - place / _RANKED) for place, review in enumerate(best)]
        if all(one != other for one, other in pairwise(text for text, _ in entries)):
            listed, relevances = graded(entries, rng)
            yield Draft({"product": record.title, "list": listed}, relevances, record.id)


@_review("co-purchases", RETRIEVAL)
def _together(record: ReviewedProduct, rng: random.Random) -> Iterator[Draft]:
    gold = record.bought_together[:_SELECTED]
    others = record.others()[: LISTED - len(gold)] if record.title and gold else ()
    if gold and len(gold) + len(others) == LISTED:
        listed, numbers = selection(gold, others, rng)
        yield Draft({"product": record.title, "list": listed}, numbers, record.id)


@_review(
    "extraction and summarization", GENERATION, Metric.SENT_TRANSFORMER, capability=Capability.CONCEPT_UNDERSTANDING
)
def _headline(record: ReviewedProduct, rng: random.Random) -> Iterator[Draft]:  # noqa: ARG001 - as the others take it
    for review in record.reviews[:_REVIEWS_USED]:
        if 2 <= len(review.title.split()) <= 12:
            yield Draft({"review": review.text[:_LONGEST]}, review.title, record.id)


@_review("title generation", GENERATION, Metric.ROUGE_L, capability=Capability.CONCEPT_UNDERSTANDING)
def _title(record: ReviewedProduct, rng: random.Random) -> Iterator[Draft]:  # noqa: ARG001 - as the others take it
    text = "; ".join(record.features) or record.description
    if record.title and text:
        yield Draft({"features": text[:_LONGEST]}, record.title, record.id)


SOURCES = (AMAZON_REVIEWS,)
TASKS = _review.tasks()
