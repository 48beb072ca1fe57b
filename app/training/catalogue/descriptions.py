"""Descriptions: what a listing says of a product below its title."""

import random
from dataclasses import dataclass

from app.training.catalogue.lexicon import Lexicon
from app.training.catalogue.measures import Measure
from app.training.catalogue.product_type import Attribute
from app.training.catalogue.products import FEATURE, PACK, Product
from app.training.catalogue.titles import capitalized

_STATES = {
    "color": ("{They} {come} in {value}.", "The color is {value}."),
    "material": ("{They} {are} made of {value}.", "The material is {value}."),
    "pattern": ("The pattern is {value}.",),
    "scent": ("The scent is {value}.",),
    "flavor": ("The flavor is {value}.",),
    "meat": ("The main ingredient is {value}.",),
    "size": ("This listing is for size {value}.", "{They} {come} in size {value}."),
    "audience": ("{They} {are} {value}.", "{They} {are} made {value}."),
    "skin": ("{They} {are} made {value}.",),
    "hair": ("{They} {are} made {value}.",),
    "connector": ("The connector is {value}.",),
    "bulb": ("{They} {fit} lamps with the base {value}.",),
    "theme": ("The theme is {value}.",),
    "fit": ("The cut is {value}.",),
    "season": ("{They} {are} for {value} use.",),
    "roast": ("The beans are a {value}.", "{They} {are} a {value}."),
    "finish": ("The finish is {value}.",),
    "ruling": ("The pages are {value}.",),
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
    called = f"{name} {product.type.name.en}"
    opening = rng.choice(
        (
            f"Meet the {called}.",
            f"The {called} {'are' if product.type.plural else 'is'} here to {product.type.purpose}.",
            f"With the {called} you are ready to {product.type.purpose}.",
            f"{name} brings you {product.type.with_article} to rely on.",
        )
    )
    facts = [_fact(product, lexicon.attributes[key], rng) for key in product.values]
    facts += [
        Fact(FEATURE, feature.name.en, f"{capitalized(feature.name.en)}: {feature.meaning}.")
        for feature in product.features
    ]
    rng.shuffle(facts)
    closing = rng.choice(
        (
            f"Made by {product.brand.name}.",
            f"A good choice if you want to {product.type.purpose}.",
            "Order it today.",
            f"{product.brand.name} stands behind every sale.",
        )
    )
    if product.pack > 1:
        facts.append(Fact(PACK, str(product.pack), f"This is a pack of {product.pack}."))
    return Description(opening, tuple(facts[:most]), closing)


def _fact(product: Product, attribute: Attribute, rng: random.Random) -> Fact:
    value = product.values[attribute.key]
    if isinstance(value, Measure):
        text = value.words if rng.random() < 0.4 else value.text()
        return Fact(attribute.key, text, attribute.states.format(value=text))
    plural = product.type.plural
    forms = {
        "They": "They" if plural else "It",
        "come": "come" if plural else "comes",
        "are": "are" if plural else "is",
        "fit": "fit" if plural else "fits",
    }
    sentence = rng.choice(_STATES[attribute.key]).format(value=value.en, **forms)
    return Fact(attribute.key, value.en, sentence)


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
