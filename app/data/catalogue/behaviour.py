"""Browsing sessions: what one shopper searched for, looked at and bought, with one aim."""

import random
from dataclasses import dataclass
from enum import StrEnum

from app.data.catalogue.catalogue import Catalogue
from app.data.catalogue.lexicon import Lexicon, ProductType
from app.data.catalogue.products import Product
from app.data.catalogue.queries import Query, make_query


class Action(StrEnum):
    """What a shopper does."""

    SEARCH = "search"
    CLICK = "click"
    CART = "cart"
    PURCHASE = "purchase"


@dataclass(frozen=True, slots=True)
class Step:
    """One action. A search has its words, all others a title."""

    action: Action
    text: str


@dataclass(frozen=True, slots=True)
class Session:
    """Steps towards one product, up to now."""

    steps: tuple[Step, ...]
    aim: Product
    bought: bool
    """Whether the aim has been bought already."""
    query: Query
    """The last search."""


def make_session(shop: Catalogue, rng: random.Random, language: str = "en", *, bought: bool | None = None) -> Session:
    """A session about a random product: broad search, rivals, narrower search, the product, perhaps its purchase."""
    aim = shop.any_product(rng)
    if bought is None:
        bought = rng.random() < 0.5
    broad = make_query(aim, rng, language, most=1)
    narrow = make_query(aim, rng, language, most=3, least=2)
    steps = [Step(Action.SEARCH, broad.text)]
    for _ in range(rng.randint(1, 2)):
        rival = shop.any_product(rng, aim.type)
        steps += [Step(Action.CLICK, shop.title(rival, language).text)] * rng.choice((1, 1, 2))
    steps.append(Step(Action.SEARCH, narrow.text))
    title = shop.title(aim, language).text
    steps += [Step(Action.CLICK, title)] * rng.choice((1, 1, 2))
    if bought:
        if rng.random() < 0.6:
            steps.append(Step(Action.CART, title))
        steps.append(Step(Action.PURCHASE, title))
    return Session(tuple(steps), aim, bought, narrow)


def next_queries(shop: Catalogue, session: Session, rng: random.Random, count: int, language: str = "en") -> list[str]:
    """Different searches that may follow: for the same kind of product, or for what goes with the one just bought."""
    said = {step.text for step in session.steps if step.action is Action.SEARCH}
    found: list[str] = []
    while len(found) < count:
        if session.bought:
            other = shop.complement(session.aim, rng)
        else:
            keep = dict(rng.sample(sorted(session.aim.values.items()), 1)) if session.aim.values else {}
            other = shop.variant(session.aim, rng, keep, same_brand=rng.random() < 0.5)
        query = make_query(other, rng, language, most=2, least=0 if not found else 1).text
        if query not in said and query not in found:
            found.append(query)
    return found


def next_products(shop: Catalogue, session: Session, rng: random.Random, count: int) -> list[Product]:
    """Products that may be looked at next, for the same reasons."""
    if session.bought:
        return [shop.complement(session.aim, rng) for _ in range(count)]
    keep = dict(session.query.wanted)
    return [shop.variant(session.aim, rng, keep, same_brand=bool(session.query.brand)) for _ in range(count)]


GENERAL = ("delivery", "customer service", "gift")
"""Aspects of any product."""
_PRAISED: dict[int, tuple[float, ...]] = {1: (0.0,), 2: (0.0, 0.34), 3: (0.5,), 4: (0.67, 1.0), 5: (1.0,)}
"""Stars to the share of aspects that are praised."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a review says of one aspect."""

    aspect: str
    phrase: str
    """As it stands in the review."""
    positive: bool


@dataclass(frozen=True, slots=True)
class Review:
    """A review of a product type."""

    text: str
    stars: int
    opinions: tuple[Opinion, ...]
    type: ProductType


def aspects_of(product_type: ProductType) -> list[str]:
    """What reviews of a type may speak of."""
    return [*product_type.aspects, *GENERAL]


def make_review(
    lexicon: Lexicon,
    product_type: ProductType,
    rng: random.Random,
    stars: int | None = None,
    aspects: int | None = None,
) -> Review:
    """A review of two to four aspects, or of as many as are asked for. Praise and blame follow the stars."""
    stars = stars or rng.randint(1, 5)
    spoken_of = rng.sample(aspects_of(product_type), aspects or rng.randint(2, 4))
    praised = round(len(spoken_of) * rng.choice(_PRAISED[stars]))
    words = lexicon.reviews
    opening = rng.choice(words.plural_openings if product_type.plural else words.openings)
    sentences = [opening.format(name=product_type.name.en, person=rng.choice(words.people))]
    opinions: list[Opinion] = []
    for place, aspect in enumerate(spoken_of):
        positive = place < praised
        entry = lexicon.aspects[aspect]
        phrase = rng.choice(entry.praise if positive else entry.blame)
        turning = bool(opinions) and opinions[-1].positive != positive
        frame = rng.choice(words.turns if turning else words.frames)
        sentence = frame.format(phrase=phrase)
        as_written = phrase
        if frame.startswith("{"):
            sentence = sentence[0].upper() + sentence[1:]
            as_written = sentence[: len(phrase)]
        sentences.append(sentence)
        opinions.append(Opinion(aspect, as_written, positive))
    if rng.random() < 0.35:
        sentences.insert(rng.randint(1, len(sentences)), rng.choice(words.fillers))
    verdict = rng.choice(words.verdicts[stars])
    sentences.insert(0 if rng.random() < 0.35 else len(sentences), verdict)
    if rng.random() < 0.3:
        sentences.remove(sentences[1] if sentences[0] == verdict else sentences[0])
    return Review(" ".join(sentences), stars, tuple(opinions), product_type)
