"""Search queries: what a shopper asks for, and how well a product answers."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from app.data.catalogue.lexicon import ProductType
from app.data.catalogue.products import BRAND, FEATURE, PRODUCT_TYPE, Product, Value


class Match(StrEnum):
    """How well a product answers a query; the grades are those of Amazon's Shopping Queries data set (ESCI)."""

    EXACT = "exact"
    SUBSTITUTE = "substitute"
    COMPLEMENT = "complement"
    IRRELEVANT = "irrelevant"


RELEVANCE: dict[Match, float] = {Match.EXACT: 1.0, Match.SUBSTITUTE: 0.1, Match.COMPLEMENT: 0.01, Match.IRRELEVANT: 0.0}
"""Gains as ShopBench grades them."""


@dataclass(frozen=True, slots=True)
class Query:
    """Words typed into a search box."""

    pieces: tuple[tuple[str, str], ...]
    """Attribute key and words, in order."""
    type: ProductType
    wanted: Mapping[str, Value]
    """What the products must have."""
    brand: str = ""
    """The brand that they must be of; empty where any will do."""
    features: frozenset[str] = frozenset()
    """English names of features that they must have."""
    language: str = "en"

    @property
    def text(self) -> str:
        """As it is typed."""
        return " ".join(piece for _, piece in self.pieces)

    def spans(self, key: str) -> list[str]:
        """The words that stand for an attribute."""
        return [piece for what, piece in self.pieces if what == key]

    def match(self, product: Product, complements: Mapping[str, tuple[ProductType, ...]]) -> Match:
        """How well a product answers."""
        if product.type is self.type:
            met = all(product.values.get(key) == value for key, value in self.wanted.items())
            met = met and (not self.brand or product.brand.name == self.brand)
            met = met and self.features <= {feature.name.en for feature in product.features}
            return Match.EXACT if met else Match.SUBSTITUTE
        if product.type in complements[self.type.key]:
            return Match.COMPLEMENT
        return Match.IRRELEVANT


def make_query(product: Product, rng: random.Random, language: str = "en", most: int = 3, least: int = 0) -> Query:
    """A query that the product answers exactly, with `least` to `most` demands besides the type.

    English queries may call the type by another name.
    """
    keys = [*product.values, *([BRAND] if rng.random() < 0.5 else []), *([FEATURE] if product.features else [])]
    chosen = rng.sample(keys, min(len(keys), rng.randint(least, most)))
    wanted: dict[str, Value] = {}
    brand, features = "", frozenset[str]()
    before: list[tuple[str, str]] = []
    after: list[tuple[str, str]] = []
    for key in chosen:
        if key == BRAND:
            brand = product.brand.name
            before.insert(0, (key, brand.lower()))
            continue
        if key == FEATURE:
            feature = rng.choice(product.features)
            features = frozenset({feature.name.en})
            words = feature.name.text(language)
        else:
            wanted[key] = product.values[key]
            words = product.value_text(key, language)
        words = words.lower()
        ahead = language in {"en", "ja"} and not words.startswith(("for ", "with ")) and rng.random() < 0.7
        (before if ahead else after).append((key, words))
    name = product.type.name.text(language).lower()
    if language == "en" and rng.random() < 0.3:
        name = rng.choice(product.type.synonyms).lower()
    pieces = (*before, (PRODUCT_TYPE, name), *after)
    return Query(pieces, product.type, wanted, brand, features, language)


def translate_query(query: Query, product: Product, language: str) -> Query:
    """The English query as a customer of another language types it: brand, type, then all other demands."""
    own = {key: product.value_text(key, language).lower() for key in query.wanted}
    for feature in product.features:
        if feature.name.en in query.features:
            own[FEATURE] = feature.name.text(language).lower()
    name = (PRODUCT_TYPE, query.type.name.text(language).lower())
    brand = [(BRAND, query.brand.lower())] if query.brand else []
    rest = [(key, own[key]) for key, _ in query.pieces if key in own]
    pieces = (*brand, *rest, name) if language == "ja" else (*brand, name, *rest)
    return replace(query, pieces=pieces, language=language)


def misspell(text: str, rng: random.Random) -> str:
    """The text with one or two slips of the finger in words of five letters and more; always another text."""
    words = text.split(" ")
    places = [place for place, word in enumerate(words) if len(word) >= 5 and word.isalpha()]
    for place in rng.sample(places, min(len(places), rng.randint(1, 2))):
        words[place] = _slip(words[place], rng)
    return " ".join(words)


def _slip(word: str, rng: random.Random) -> str:
    at = rng.randrange(1, len(word) - 1)
    kind = rng.randrange(3)
    if kind == 0 and word[at] != word[at + 1]:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if kind == 1:
        return word[:at] + word[at] + word[at:]
    return word[:at] + word[at + 1 :]
