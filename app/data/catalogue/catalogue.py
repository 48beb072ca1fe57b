"""The catalogue: a coherent shop that a seed stands for. Everything is made when it is asked for; nothing is kept."""

import random
from collections.abc import Callable

from app.data.catalogue.lexicon import Lexicon, ProductType, load_lexicon
from app.data.catalogue.products import Product, Value, make_brands, make_product
from app.data.catalogue.queries import Match, Query
from app.data.catalogue.titles import Title, make_title

POPULATION = 1_000_000
"""Products that random draws are made from; `product` takes any number."""


class Catalogue:
    """Products by number, and whatever is derived from them. The same seed is the same shop."""

    def __init__(self, seed: int, lexicon: Lexicon | None = None, population: int = POPULATION) -> None:
        """Brands are made here; products when they are asked for. Random draws are from the first `population`."""
        self.seed = seed
        self.population = population
        self.lexicon = lexicon or load_lexicon()
        self.brands = make_brands(self.lexicon.brands, self.lexicon.departments, seed)

    @property
    def types(self) -> tuple[ProductType, ...]:
        """All product types."""
        return self.lexicon.types

    def product(self, number: int) -> Product:
        """The product of a number (0 and up). Its type is `types[number % len(types)]`."""
        rng = random.Random(f"{self.seed}/product/{number}")
        product_type = self.types[number % len(self.types)]
        return make_product(self.lexicon, self.brands, product_type, rng, f"P{number:07d}")

    def any_product(self, rng: random.Random, product_type: ProductType | None = None) -> Product:
        """A random product, of one type if that is given."""
        kinds = len(self.types)
        kind = rng.randrange(kinds) if product_type is None else product_type.number
        return self.product(rng.randrange(max(1, self.population // kinds)) * kinds + kind)

    def product_that(self, rng: random.Random, serves: Callable[[Product], object]) -> Product:
        """A random product that serves."""
        while not serves(product := self.any_product(rng)):
            pass
        return product

    def variant(self, product: Product, rng: random.Random, keep: dict[str, Value], *, same_brand: bool) -> Product:
        """Another product of the type that has the values of `keep`, and the brand if that is to stay."""
        brand = product.brand if same_brand else None
        identity = f"{product.id}-{rng.randrange(10**6):06d}"
        return make_product(self.lexicon, self.brands, product.type, rng, identity, keep, brand)

    def complement(self, product: Product, rng: random.Random) -> Product:
        """A product that is bought along with this one; now and then in the same color, size or for the same people."""
        partner = rng.choice(self.lexicon.complements[product.type.key])
        shared = {
            key: value
            for key, value in product.words.items()
            if key in {"color", "audience", "connector", "bulb"} and value in partner.choices.get(key, ())
        }
        identity = f"{product.id}+{rng.randrange(10**6):06d}"
        return make_product(self.lexicon, self.brands, partner, rng, identity, shared if rng.random() < 0.6 else None)

    def unrelated_types(self, product_type: ProductType, rng: random.Random, count: int) -> list[ProductType]:
        """Different types of other departments that do not go with this one."""
        return rng.sample(self.lexicon.unrelated[product_type.key], count)

    def near_types(self, product_type: ProductType) -> list[ProductType]:
        """The other types of its department."""
        return [one for one in self.types if one.department is product_type.department and one is not product_type]

    def other_types(self, product_type: ProductType, rng: random.Random, near: int, far: int) -> list[ProductType]:
        """Different types, so many of its department and so many unrelated ones."""
        return [*rng.sample(self.near_types(product_type), near), *self.unrelated_types(product_type, rng, far)]

    def unrelated(self, product_type: ProductType, rng: random.Random, count: int) -> list[Product]:
        """One product each of `unrelated_types`."""
        return [self.any_product(rng, one) for one in self.unrelated_types(product_type, rng, count)]

    def related_types(self, product_type: ProductType) -> list[ProductType]:
        """Types that go with this one."""
        return list(self.lexicon.complements[product_type.key])

    def title(self, product: Product, language: str = "en", show: str = "") -> Title:
        """A product's title in a language; it names the attribute `show`, if one is given."""
        return make_title(product, self.lexicon.phrases, language, show)

    def match(self, query: Query, product: Product) -> Match:
        """How well a product answers a query."""
        return query.match(product, self.lexicon.complements)
