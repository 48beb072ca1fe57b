"""What a kind of product is, can be, is for and goes with."""

from dataclasses import dataclass
from typing import TypeVar

from app.training.catalogue.measures import Measure, Unit
from app.training.catalogue.terms import Term

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Attribute:
    """A property of products. For numbers: the question, statement and superlative that go with it."""

    key: str
    name: Term
    values: tuple[Term, ...] = ()
    asks: str = ""
    states: str = ""
    most: str = ""
    """Such as "holds the most"; empty where comparing makes no sense."""


@dataclass(frozen=True, slots=True)
class NumberRange:
    """The plausible amounts of one attribute of one product type."""

    unit: Unit
    low: float
    step: float
    count: int
    """How many amounts there are, `low` the first."""

    def amount(self, number: int) -> Measure:
        """The amount at one place of the range."""
        return Measure(round(self.low + number * self.step, 2), self.unit)


@dataclass(frozen=True, slots=True)
class Feature:
    """A quality that a product has or has not."""

    name: Term
    meaning: str
    """What it is to the owner: "it keeps water out"."""


@dataclass(frozen=True, slots=True)
class Department:
    """A part of the shop."""

    number: int
    name: Term


@dataclass(frozen=True, slots=True)
class ProductType:
    """A category at the bottom of the tree."""

    number: int
    name: Term
    department: Department
    synonyms: tuple[str, ...]
    definition: str
    purpose: str
    """Completes "Somebody wants to ..."."""
    choices: dict[str, tuple[Term, ...]]
    """Attribute key to the values that this type can have."""
    numbers: dict[str, NumberRange]
    features: tuple[Feature, ...]
    aspects: tuple[str, ...]
    goes_with: tuple[str, ...]
    """English names of the types that are bought along with it; holds both ways."""
    packs: bool
    """Whether it is sold in packs of several."""
    price: tuple[int, int]
    """In whole dollars, least and most."""
    plural: bool
    mass: bool

    @property
    def key(self) -> str:
        """Its English name, which is unique."""
        return self.name.en

    @property
    def with_article(self) -> str:
        """Such as "a tent", "an office chair", "jeans"."""
        return self.name.en if self.plural or self.mass else f"{article(self.name.en)} {self.name.en}"

    @property
    def pronoun(self) -> str:
        """The pronoun of its sentences."""
        return "they" if self.plural else "it"


def article(word: str) -> str:
    """The indefinite article by the first letter; "a" before the sound of "u" in "ukulele"."""
    return "an" if word[0].lower() in "aeio" or word.lower().startswith("un") else "a"
