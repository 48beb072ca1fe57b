"""A small generated shop: titles with known attributes, reviews with known aspects. Seeded, downloads nothing."""

import random
from dataclasses import dataclass

from app.training.pretraining.lexicon import ASPECTS, ATTRIBUTES, OPINIONS, PRODUCTS, SYLLABLES


@dataclass(frozen=True, slots=True)
class Product:
    """A title and what it says."""

    title: str
    kind: str
    category: str
    attributes: dict[str, str]
    """Attribute to the value's exact wording in the title; the brand is one of them."""


@dataclass(frozen=True, slots=True)
class Review:
    """A review, its stars (1 to 5), and each aspect's phrase as it stands in the text."""

    text: str
    stars: int
    phrases: dict[str, str]


def make_brand(rng: random.Random) -> str:
    """A made-up name of two or three syllables, sometimes with a model number."""
    name = "".join(rng.choices(SYLLABLES, k=rng.choice((2, 2, 3)))).capitalize()
    return f"{name} {rng.choice('ABKXZ')}{rng.randint(1, 99)}" if rng.random() < 0.15 else name


def make_product(rng: random.Random, category: str | None = None, kind: str | None = None) -> Product:
    """A product with a brand and two to four attributes, in a shuffled title."""
    if category is None:
        category = rng.choice(list(PRODUCTS))
    if kind is None:
        kind = rng.choice(PRODUCTS[category])
    attributes = {name: rng.choice(ATTRIBUTES[name]) for name in rng.sample(list(ATTRIBUTES), rng.randint(1, 4))}
    before = [value for value in attributes.values() if rng.random() < 0.5]
    after = [value for value in attributes.values() if value not in before]
    brand = make_brand(rng)
    style = rng.choice((str.title, str.title, str.lower, str.capitalize))
    head = style(" ".join([*before, kind]))
    tail = [style(value) for value in after]
    title = (f"{brand} {head}" if rng.random() < 0.8 else f"{head} by {brand}") + "".join(
        rng.choice((", ", " ", " - ")) + value for value in tail
    )
    found = {name: _as_written(title, value) for name, value in attributes.items()}
    return Product(title, kind, category, {**found, "brand": brand, "product type": _as_written(title, kind)})


def _as_written(title: str, value: str) -> str:
    start = title.lower().index(value.lower())
    return title[start : start + len(value)]


def make_review(rng: random.Random, kind: str, aspects: int | None = None) -> Review:
    """Two to four aspects praised or blamed as often as the stars say, and an opinion."""
    stars = rng.randint(1, 5)
    chosen = rng.sample(list(ASPECTS), aspects or rng.randint(2, 4))
    phrases = {}
    for aspect in chosen:
        praise = rng.random() < (stars - 1) / 4
        phrases[aspect] = rng.choice(ASPECTS[aspect][0 if praise else 1])
    lead = rng.choice((f"I bought this {kind} last month.", f"This {kind}:", f"My new {kind}.", ""))
    wordings = ("{}.", "It is {},", "{}!", "I think {}.")
    said = [rng.choice(wordings).format(phrase) for phrase in phrases.values()]
    parts = [lead, *said] if lead else said
    parts.insert(rng.randint(0, len(parts)), rng.choice(OPINIONS[stars]))
    return Review(" ".join(parts), stars, phrases)
