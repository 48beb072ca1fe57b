"""Reviews: phrases that praise or blame aspects, stars to fit them, and the words between."""

import random
from dataclasses import dataclass

from app.training.catalogue.lexicon import Lexicon
from app.training.catalogue.product_type import ProductType

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
