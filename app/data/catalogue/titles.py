"""Titles: a product's values in the order of a style, in six languages, with what each part of the text stands for."""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from app.data.catalogue.lexicon import Attribute, Lexicon, Measure, Phrases
from app.data.catalogue.products import BRAND, FEATURE, MODEL, PACK, PRODUCT_TYPE, Product

_SMALL = frozenset({"with", "for", "of", "and", "in", "by", "the"})
_JOINTS = (", ", ", ", " - ", ", ", " | ", ", ", " ")
_MOST = 3
"""Values that a title has besides material, features and audience."""

Segment = tuple[str, str]
"""What a piece of text stands for ("" for joints), and the piece."""


@dataclass(frozen=True, slots=True)
class Title:
    """A title in pieces."""

    segments: tuple[Segment, ...]

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(piece for _, piece in self.segments)

    def spans(self, key: str) -> list[str]:
        """The pieces that stand for an attribute, in order."""
        return [piece for what, piece in self.segments if what == key]

    @property
    def facts(self) -> frozenset[Segment]:
        """What it says, whatever the order and the capital letters."""
        return frozenset((what, piece.lower()) for what, piece in self.segments if what)

    @property
    def keys(self) -> list[str]:
        """What the title speaks of, each once."""
        return list(dict.fromkeys(what for what, _ in self.segments if what))


def title_keys(product: Product, show: str = "") -> list[str]:
    """The attributes that every title of the product names, whatever its language; `show` is one that it must."""
    others = [key for key in product.values if key not in {"material", "audience"}]
    if len(others) <= _MOST:
        return others
    first = product.title_style % len(others)
    chosen = [others[(first + place) % len(others)] for place in range(_MOST)]
    if show in others and show not in chosen:
        chosen[-1] = show
    return chosen


def make_title(product: Product, phrases: Phrases, language: str = "en", show: str = "") -> Title:
    """The product's title in a language. All languages name the same values, that of `show` among them."""
    style = product.title_style
    rest = [(key, product.value_text(key, language)) for key in title_keys(product, show)]
    rest += [(FEATURE, feature.name.text(language)) for feature in product.features]
    if "audience" in product.values:
        rest.insert(style % (len(rest) + 1), ("audience", product.value_text("audience", language)))
    head = _type_segments(product, phrases, language)
    leading: list[Segment] = []
    if language == "en" and style % 3 == 0:
        leading = [part for part in rest if part[0] in {"color", "pattern", "roast", "flavor"}][:1]
        rest = [part for part in rest if part not in leading]
    cased = _CASES.get(language, (capitalized,) * 4)[style % 4]
    brand = [(BRAND, product.brand.name)]
    if product.model:
        brand += [("", " "), (MODEL, product.model)]
    segments: list[Segment] = []
    by_last = style % 10 == 0
    if not by_last:
        segments += [*brand, ("", " ")]
    for part in leading:
        segments += [(part[0], cased(part[1])), ("", " ")]
    segments += [(key, cased(piece) if key else piece) for key, piece in head]
    joint = " " if language == "ja" else _JOINTS[style % 7] if style % 3 else ", "
    for key, piece in rest:
        segments += [("", joint), (key, piece if key in product.type.numbers else cased(piece))]
    if by_last:
        before, _, after = phrases.by.text(language).partition("{brand}")
        segments += [("", f" {before}"), *brand, ("", after)]
    if product.pack > 1:
        pack = phrases.pack.text(language).format(n=product.pack)
        segments += [("", " (" if style % 2 else joint), (PACK, pack), ("", ")" if style % 2 else "")]
    return Title(tuple(segment for segment in segments if segment[1]))


def _type_segments(product: Product, phrases: Phrases, language: str) -> list[Segment]:
    name = (PRODUCT_TYPE, product.type.name.text(language))
    if "material" not in product.values:
        return [name]
    material = ("material", product.value_text("material", language))
    known = {"{material}": material, "{type}": name}
    return [known.get(part, ("", part)) for part in _pieces(phrases.made_of.text(language))]


@cache
def _pieces(pattern: str) -> tuple[str, ...]:
    return tuple(part for part in re.split(r"(\{material\}|\{type\})", pattern) if part)


def title_case(text: str) -> str:
    """Capital letters to begin all words but small ones and those that have capitals of their own."""
    return " ".join(
        word if word in _SMALL or word != word.lower() else word[:1].upper() + word[1:] for word in text.split(" ")
    )


def capitalized(text: str) -> str:
    """A capital letter to begin with."""
    return text[:1].upper() + text[1:]


_CASES: dict[str, tuple[Callable[[str], str], ...]] = {
    "en": (title_case, title_case, capitalized, str),
    "ja": (str,) * 4,
}


@dataclass(frozen=True, slots=True)
class Fact:
    """A sentence and the attribute that it tells of; the value stands in it as `value` has it."""

    key: str
    value: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Description:
    """Sentences about one product."""

    opening: str
    facts: tuple[Fact, ...]
    closing: str

    @property
    def text(self) -> str:
        """All of it."""
        return " ".join([self.opening, *(fact.sentence for fact in self.facts), self.closing])


def make_description(lexicon: Lexicon, product: Product, rng: random.Random, most: int = 5) -> Description:
    """An English description with up to `most` facts, in random order."""
    name = " ".join(part for part in (product.brand.name, product.model) if part)
    said = {
        "name": name,
        "brand": product.brand.name,
        "type": product.type.name.en,
        "with_article": product.type.with_article,
        "purpose": product.type.purpose,
        "is": "are" if product.type.plural else "is",
    }
    opening = rng.choice(lexicon.phrases.openings).format_map(said)
    facts = [_fact(product, key, lexicon.attributes[key], rng) for key in product.values]
    facts += [
        Fact(FEATURE, feature.name.en, f"{capitalized(feature.name.en)}: {feature.meaning}.")
        for feature in product.features
    ]
    rng.shuffle(facts)
    closing = rng.choice(lexicon.phrases.closings).format_map(said)
    if product.pack > 1:
        facts.append(Fact(PACK, str(product.pack), f"This is a pack of {product.pack}."))
    return Description(opening, tuple(facts[:most]), closing)


def _fact(product: Product, key: str, attribute: Attribute, rng: random.Random) -> Fact:
    value = product.values[key]
    if isinstance(value, Measure):
        text = value.words if rng.random() < 0.4 else value.text()
        return Fact(key, text, attribute.states[0].format(value=text))
    forms = _PLURAL if product.type.plural else _SINGULAR
    return Fact(key, value.en, rng.choice(attribute.states).format(value=value.en, **forms))


_SINGULAR = {"They": "It", "come": "comes", "are": "is", "fit": "fits"}
_PLURAL = {word: word for word in _SINGULAR}


def make_bullets(lexicon: Lexicon, product: Product, language: str, rng: random.Random, most: int = 4) -> str:
    """The product's data as one line of "name: value" in any language, without its title."""
    facts = [
        f"{capitalized(lexicon.attributes[key].name.text(language))}: {product.value_text(key, language)}"
        for key in product.values
    ]
    facts += [capitalized(feature.name.text(language)) for feature in product.features]
    rng.shuffle(facts)
    first = capitalized(product.type.name.text(language))
    return ("、" if language == "ja" else "; ").join([first, *facts[:most]])
