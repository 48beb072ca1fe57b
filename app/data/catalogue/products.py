"""Products: a type, a brand, and a value for each attribute that the type has."""

import random
from collections.abc import Mapping
from dataclasses import dataclass

from app.data.catalogue.lexicon import BrandParts, Department, Feature, Lexicon, Measure, ProductType, Term

PER_DEPARTMENT = 40
_LEVELS = 5


@dataclass(frozen=True, slots=True)
class Brand:
    """A maker of products."""

    name: str
    department: int
    """Number of its department."""
    level: int
    """Quality and price from 1 (cheap) to 5 (costly)."""
    title_style: int
    """Its usual order of words in titles."""
    tight: bool
    """Whether it writes units without a space ("750ml")."""
    numbered: bool
    """Whether its products bear model names."""


def make_brands(parts: BrandParts, departments: tuple[Department, ...], seed: int) -> tuple[tuple[Brand, ...], ...]:
    """The brands of a seed by department number; no two have one name."""
    rng = random.Random(f"{seed}/brands")
    taken: set[str] = set()
    return tuple(
        tuple(_make(parts, department.number, taken, rng) for _ in range(PER_DEPARTMENT)) for department in departments
    )


def _make(parts: BrandParts, department: int, taken: set[str], rng: random.Random) -> Brand:
    name = invent(parts, rng)
    while name.lower() in taken:
        name = invent(parts, rng)
    taken.add(name.lower())
    return Brand(
        name=name,
        department=department,
        level=rng.randint(1, _LEVELS),
        title_style=rng.randrange(100),
        tight=rng.random() < 0.25,
        numbered=rng.random() < 0.4,
    )


def invent(parts: BrandParts, rng: random.Random) -> str:
    """A name of two or three syllables, sometimes in capitals, sometimes with a word behind it."""
    middle = rng.choice(parts.middles) if rng.random() < 0.6 else ""
    name = rng.choice(parts.starts) + middle + rng.choice(parts.ends)
    if rng.random() < 0.12:
        name = name.upper()
    return f"{name} {rng.choice(parts.suffixes)}" if rng.random() < 0.2 else name


def invent_model(parts: BrandParts, rng: random.Random) -> str:
    """A model name: a word of a series, a code, or both."""
    code = f"{rng.choice(parts.letters)}{rng.choice(parts.letters)}{rng.randint(1, 99) * 10}"
    series = rng.choice(parts.series)
    return rng.choice((code, f"{series} {rng.randint(2, 9)}", f"{series} {code}"))


BRAND = "brand"
PRODUCT_TYPE = "product type"
FEATURE = "feature"
MODEL = "model"
PACK = "pack size"

Value = Term | Measure
_PACK_SIZES = (2, 2, 3, 3, 4, 5, 6, 6, 8, 10, 12)


@dataclass(frozen=True, slots=True)
class Product:
    """One product of the shop."""

    id: str
    type: ProductType
    brand: Brand
    model: str
    """Empty where the brand gives none."""
    values: Mapping[str, Value]
    """By attribute key."""
    features: tuple[Feature, ...]
    pack: int
    """How many are sold together; 1 for most."""
    cents: int
    """Price in hundredths of a dollar, for the whole pack."""
    title_style: int

    @property
    def price(self) -> str:
        """Such as "$12.99"."""
        return f"${self.cents / 100:.2f}"

    @property
    def measures(self) -> dict[str, Measure]:
        """The values that are amounts."""
        return {key: value for key, value in self.values.items() if isinstance(value, Measure)}

    @property
    def words(self) -> dict[str, Term]:
        """The values that are words."""
        return {key: value for key, value in self.values.items() if isinstance(value, Term)}

    def value_text(self, key: str, language: str = "en") -> str:
        """A value as this brand writes it."""
        value = self.values[key]
        if isinstance(value, Term):
            return value.text(language)
        text = value.text(language)
        unit = value.unit
        shrinks = len(unit.symbol) <= 2 and unit.symbol.isascii() and unit.dimension != "shoe"
        return text.replace(" ", "") if self.brand.tight and shrinks else text


def make_product(
    lexicon: Lexicon,
    brands: tuple[tuple[Brand, ...], ...],
    product_type: ProductType,
    rng: random.Random,
    identity: str,
    keep: "Mapping[str, Value] | None" = None,
    brand: Brand | None = None,
) -> Product:
    """A product of a type. Values of `keep` and the brand stay as they are given; the rest is drawn.

    The price follows from the type's range, the brand's level and the pack.
    """
    kept = keep or {}
    if brand is None:
        brand = rng.choice(brands[product_type.department.number])
    values: dict[str, Value] = {}
    for key, terms in product_type.choices.items():
        values[key] = kept.get(key) or rng.choice(terms)
    for key, one in product_type.numbers.items():
        values[key] = kept.get(key) or one.amount(rng.randrange(one.count))
    features = product_type.features
    chosen = rng.sample(features, min(len(features), rng.randint(0, 3)))
    pack = rng.choice(_PACK_SIZES) if product_type.packs and rng.random() < 0.4 else 1
    low, high = product_type.price
    dollars = low + (high - low) * (brand.level - 1 + rng.random()) / 5
    return Product(
        id=identity,
        type=product_type,
        brand=brand,
        model=invent_model(lexicon.brands, rng) if brand.numbered else "",
        values=values,
        features=tuple(chosen),
        pack=pack,
        cents=round(dollars * (1 + 0.8 * (pack - 1))) * 100 - rng.choice((1, 1, 5, 10)),
        title_style=brand.title_style if rng.random() < 0.8 else rng.randrange(100),
    )
