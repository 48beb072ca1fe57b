"""The catalogue as data: products, queries, sessions, co-purchases and reviews, each a JSON object."""

import random
from collections.abc import Callable
from typing import Any

from app.data.catalogue.behaviour import make_review, make_session
from app.data.catalogue.catalogue import Catalogue
from app.data.catalogue.lexicon import LANGUAGES, Measure
from app.data.catalogue.products import Value
from app.data.catalogue.queries import make_query
from app.data.catalogue.titles import make_description

Fields = dict[str, Any]
_JUDGED = 4
"""Products that a query is judged with, besides the one that it asks for."""


def product_fields(shop: Catalogue, number: int) -> Fields:
    """One product: identity, category, attributes, titles in all languages, and an English description."""
    product = shop.product(number)
    rng = _rng(shop, "description", number)
    return {
        "id": product.id,
        "product_type": product.type.name.en,
        "department": product.type.department.name.en,
        "brand": product.brand.name,
        "model": product.model,
        "price": product.cents / 100,
        "pack_size": product.pack,
        "attributes": {key: _value(value) for key, value in product.values.items()},
        "features": [feature.name.en for feature in product.features],
        "titles": {language: shop.title(product, language).text for language in LANGUAGES},
        "description": make_description(shop.lexicon, product, rng).text,
    }


def query_fields(shop: Catalogue, number: int) -> Fields:
    """A query for one product, in some language, and how well five products answer it."""
    rng = _rng(shop, "query", number)
    product = shop.product(number)
    language = LANGUAGES[number % len(LANGUAGES)]
    query = make_query(product, rng, language, most=3)
    partner = rng.choice(shop.related_types(product.type))
    judged = [product, *(shop.any_product(rng, product.type) for _ in range(_JUDGED - 2))]
    judged += [shop.any_product(rng, partner), shop.any_product(rng)]
    matches = {one.id: shop.match(query, one).value for one in judged}
    return {"query": query.text, "language": language, "matches": matches}


def session_fields(shop: Catalogue, number: int) -> Fields:
    """One browsing session."""
    language = LANGUAGES[number % len(LANGUAGES)]
    session = make_session(shop, _rng(shop, "session", number), language)
    steps = [{"action": step.action.value, "text": step.text} for step in session.steps]
    return {"language": language, "steps": steps, "product_id": session.aim.id, "bought": session.bought}


def co_purchase_fields(shop: Catalogue, number: int) -> Fields:
    """What was bought along with one product."""
    rng = _rng(shop, "co-purchase", number)
    product = shop.product(number)
    partners = [shop.any_product(rng, one) for one in shop.related_types(product.type)]
    return {"product_id": product.id, "bought_with": [one.id for one in partners]}


def review_fields(shop: Catalogue, number: int) -> Fields:
    """A review of one product; its stars lean on the brand's level."""
    rng = _rng(shop, "review", number)
    product = shop.product(number)
    stars = min(5, max(1, product.brand.level + rng.choice((-1, 0, 0, 1))))
    review = make_review(shop.lexicon, product.type, rng, stars)
    opinions = [{"aspect": one.aspect, "phrase": one.phrase, "positive": one.positive} for one in review.opinions]
    return {"product_id": product.id, "stars": stars, "text": review.text, "opinions": opinions}


FILES: dict[str, Callable[[Catalogue, int], Fields]] = {
    "products.jsonl": product_fields,
    "queries.jsonl": query_fields,
    "sessions.jsonl": session_fields,
    "co_purchases.jsonl": co_purchase_fields,
    "reviews.jsonl": review_fields,
}
"""One line a product in each file; line k is the same however many there are, but for products named in it."""


def _rng(shop: Catalogue, what: str, number: int) -> random.Random:
    return random.Random(f"{shop.seed}/{what}/{number}")


def _value(value: Value) -> object:
    return {"amount": value.amount, "unit": value.unit.symbol} if isinstance(value, Measure) else value.en
