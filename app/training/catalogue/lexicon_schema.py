"""The form of the lexicon's files."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Words = Annotated[tuple[str, str, str, str, str, str], "one a language"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ChoiceEntry(_Strict):
    """An attribute whose values are words."""

    name: Words
    values: tuple[Words, ...]


class NumberEntry(_Strict):
    """An attribute whose values are amounts."""

    name: Words
    asks: str
    states: str
    most: str = ""


class UnitEntry(_Strict):
    """A unit. `written` is given where it is not written as its symbol everywhere."""

    factor: float
    word: str
    written: Words | None = None


class TypeEntry(_Strict):
    """A product type. An attribute with no values of its own takes all that the attribute has."""

    name: str
    names: tuple[str, str, str, str, str]
    synonyms: tuple[str, ...]
    definition: str
    purpose: str
    choices: dict[str, tuple[str, ...]]
    numbers: dict[str, tuple[str, float, float, float]]
    features: tuple[str, ...]
    aspects: tuple[str, ...]
    goes_with: tuple[str, ...]
    price: tuple[int, int]
    plural: bool = False
    mass: bool = False
    packs: bool = False


class DepartmentFile(_Strict):
    """One file of product types."""

    department: Words
    types: tuple[TypeEntry, ...]


class AspectEntry(_Strict):
    """Phrases that praise and blame one aspect."""

    praise: tuple[str, ...]
    blame: tuple[str, ...]


class ReviewWords(_Strict):
    """What stands round the phrases of a review."""

    openings: tuple[str, ...]
    plural_openings: tuple[str, ...]
    people: tuple[str, ...]
    frames: tuple[str, ...]
    turns: tuple[str, ...]
    fillers: tuple[str, ...]
    verdicts: dict[int, tuple[str, ...]]


class BrandParts(_Strict):
    """Syllables and words of invented names."""

    starts: tuple[str, ...]
    middles: tuple[str, ...]
    ends: tuple[str, ...]
    suffixes: tuple[str, ...]
    series: tuple[str, ...]
    letters: tuple[str, ...]


class Phrases(_Strict):
    """Patterns of a product line."""

    made_of: Words
    pack: Words
    by: Words


class LexiconFiles(_Strict):
    """All of the lexicon, as its files have it."""

    choices: dict[str, ChoiceEntry]
    numbers: dict[str, NumberEntry]
    units: dict[str, dict[str, UnitEntry]]
    features: tuple[tuple[str, str, str, str, str, str, str], ...]
    departments: tuple[DepartmentFile, ...] = Field(min_length=2)
    aspects: dict[str, AspectEntry]
    reviews: ReviewWords
    brands: BrandParts
    phrases: Phrases
