"""Training tasks of Amazon Reviews 2023: ratings, helpfulness, headlines, product titles, what is bought together."""

import random
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

from app.data.row import Capability
from app.data.sources.amazon_reviews import Review, ReviewedProduct
from app.data.tasks.task import LISTED, Draft, TrainingTask, graded, selection
from app.evaluate.names import Metric
from app.types import TaskType

_RANKED = 5
_SELECTED = 3
_EXCERPT = 240
_LONGEST = 1200
_REVIEWS_USED = 3
"""Of one product, so that one with many does not fill the mixture."""

RATING = (
    "Instructions: Rate the following product review from 1 to 5, where 1 is very negative and 5 is very positive.\n"
    "Input: {{ review }}\nOutput:",
    "How many stars, from 1 to 5, does the writer of this review give? Answer with one number.\nReview: {{ review }}\n"
    "Answer:",
    "On a scale of 1 to 5, with 5 the best, score the product by what this {{ category }} review says.\n"
    "Review: {{ review }}\nOutput:",
)
HELPFUL = (
    "Five reviews of the product '{{ product }}' follow as a numbered list. Rank them by how helpful other shoppers"
    " find them, the most helpful first. Output a permutation of 1 to 5 between commas.\nReview List:\n{{ list }}\n"
    "Output:",
    "Product: {{ product }}\nSort the numbered reviews from the most to the least helpful for a buyer. Give the five"
    " numbers, separated by commas, and nothing else.\nReview List:\n{{ list }}\nRanking:",
)
HEADLINE = (
    "Write a short headline for this product review.\nReview: {{ review }}\nHeadline:",
    "Generate a title of a few words that sums up the following customer review.\nReview: {{ review }}\nOutput:",
)
TITLE = (
    "What may this product be called in an online shop? Write its title.\nAbout this item: {{ features }}\nTitle:",
    "Write a title for a product in an online shop from its features.\nFeatures: {{ features }}\nTitle:",
    "Generate an adequate product title from the description below.\nDescription: {{ features }}\nOutput:",
)
TOGETHER = (
    "Purchased product: {{ product }}\nChoose the three products of the list that customers add to the same basket and"
    " give their numbers between commas.\nProduct List:\n{{ list }}\nOutput:",
    "A user has just bought '{{ product }}'. Select three products of the numbered list that are often bought together"
    " with it. Output three numbers, separated by commas.\nProduct List:\n{{ list }}\nOutput:",
)


def _rating(record: ReviewedProduct, rng: random.Random) -> Iterator[Draft]:  # noqa: ARG001 - as the others take it
    for review in record.reviews[:_REVIEWS_USED]:
        yield Draft({"review": _cut(review.text), "category": record.category}, review.rating, record.id)


def _helpful(record: ReviewedProduct, rng: random.Random) -> Iterator[Draft]:
    """Five reviews with different numbers of votes; relevance falls by place, as votes span orders of magnitude."""
    chosen: list[Review] = []
    for review in record.reviews:
        if not chosen or review.helpful_votes < chosen[-1].helpful_votes:
            chosen.append(review)
    if record.title and len(chosen) >= _RANKED:
        best = chosen[:_RANKED]
        entries = [(_excerpt(review), 1 - place / _RANKED) for place, review in enumerate(best)]
        if all(one != other for one, other in pairwise(text for text, _ in entries)):
            listed, relevances = graded(entries, rng)
            yield Draft({"product": record.title, "list": listed}, relevances, record.id)


def _headline(record: ReviewedProduct, rng: random.Random) -> Iterator[Draft]:  # noqa: ARG001 - as the others take it
    for review in record.reviews[:_REVIEWS_USED]:
        if 2 <= len(review.title.split()) <= 12:
            yield Draft({"review": _cut(review.text)}, review.title, record.id)


def _title(record: ReviewedProduct, rng: random.Random) -> Iterator[Draft]:  # noqa: ARG001 - as the others take it
    text = "; ".join(record.features) or record.description
    if record.title and text:
        yield Draft({"features": _cut(text)}, record.title, record.id)


def _together(record: ReviewedProduct, rng: random.Random) -> Iterator[Draft]:
    gold = record.bought_together[:_SELECTED]
    others = record.others()[: LISTED - len(gold)] if record.title and gold else ()
    if gold and len(gold) + len(others) == LISTED:
        listed, numbers = selection(gold, others, rng)
        yield Draft({"product": record.title, "list": listed}, numbers, record.id)


def _excerpt(review: Review) -> str:
    return f"{review.text[:_EXCERPT].rsplit(' ', 1)[0]} ..." if len(review.text) > _EXCERPT else review.text


def _cut(text: str) -> str:
    return text[:_LONGEST]


def _task(
    name: str,
    capability: Capability,
    sub_skill: str,
    task_type: TaskType,
    metric: Metric,
    wordings: tuple[str, ...],
    draw: Callable[[ReviewedProduct, random.Random], Iterable[Draft]],
) -> TrainingTask[ReviewedProduct]:
    return TrainingTask(
        f"reviews_{name}", capability, sub_skill, task_type, metric.value, "Amazon Reviews 2023", wordings, draw
    )


_BEHAVIOUR, _CONCEPTS = Capability.USER_BEHAVIOUR, Capability.CONCEPT_UNDERSTANDING
_TEXT = TaskType.GENERATION
REVIEW_TASKS: tuple[TrainingTask[ReviewedProduct], ...] = (
    _task("rating", _BEHAVIOUR, "review rating", TaskType.MULTIPLE_CHOICE, Metric.ACCURACY, RATING, _rating),
    _task("helpful", _BEHAVIOUR, "review helpfulness", TaskType.RANKING, Metric.NDCG, HELPFUL, _helpful),
    _task("together", _BEHAVIOUR, "co-purchases", TaskType.RETRIEVAL, Metric.HIT_RATE_AT_3, TOGETHER, _together),
    _task("headline", _CONCEPTS, "extraction and summarization", _TEXT, Metric.SENT_TRANSFORMER, HEADLINE, _headline),
    _task("title", _CONCEPTS, "title generation", _TEXT, Metric.ROUGE_L, TITLE, _title),
)
