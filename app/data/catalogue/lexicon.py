"""The words of the catalogue, read once from the files beside this module."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from app.errors import SetupError
from app.settings import read_yaml

LANGUAGES = ("en", "de", "es", "fr", "it", "ja")
LANGUAGE_NAMES = {"en": "English", "de": "German", "es": "Spanish", "fr": "French", "it": "Italian", "ja": "Japanese"}
FOREIGN = LANGUAGES[1:]


class Term(NamedTuple):
    """One meaning, written in each language of the catalogue."""

    en: str
    de: str
    es: str
    fr: str
    it: str
    ja: str

    def text(self, language: str) -> str:
        """As it is written in a language of `LANGUAGES`."""
        return self[LANGUAGES.index(language)]


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of measure. `factor` is how many of its dimension's first unit one of it is."""

    symbol: str
    dimension: str
    factor: float
    word: str
    """In an English sentence: "milliliters"."""
    written: Term
    """As titles write it in each language."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A number of units."""

    amount: float
    unit: Unit

    def text(self, language: str = "en") -> str:
        """Such as "1.7 l"; a decimal comma where the language has one."""
        figures = plain(self.amount)
        if language not in {"en", "ja"}:
            figures = figures.replace(".", ",")
        return f"{figures} {self.unit.written.text(language)}"

    @property
    def words(self) -> str:
        """Such as "1.7 liters"."""
        return f"{plain(self.amount)} {self.unit.word}"

    @property
    def base(self) -> float:
        """The amount in the dimension's first unit."""
        return self.amount * self.unit.factor

    def times(self, number: float) -> "Measure":
        """So many times as much."""
        return Measure(tidy(self.amount * number), self.unit)

    def converted(self, unit: Unit) -> "Measure":
        """The same in another unit of the dimension, to two decimals."""
        return Measure(tidy(self.base / unit.factor), unit)


def plain(amount: float) -> str:
    """An amount without needless zeros: "2", "0.75"."""
    return str(int(amount)) if amount == int(amount) else f"{amount:.2f}".rstrip("0")


def tidy(amount: float) -> float:
    """Two decimals, which hide what binary fractions leave behind."""
    return round(amount, 2)


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


def article(word: str) -> str:
    """The indefinite article by the first letter; "a" before the sound of "u" in "ukulele"."""
    return "an" if word[0].lower() in "aeio" or word.lower().startswith("un") else "a"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Attribute(_Strict):
    """A property of products: one of several words, or an amount that is asked for."""

    name: Term
    states: tuple[str, ...] = Field(min_length=1)
    """English sentences with a {value}. Those of words also have {They}, {come}, {are} and {fit}."""
    values: tuple[Term, ...] = ()
    needs: str = ""
    """What somebody does who wants a value: "likes {value} pages"."""
    asks: str = ""
    most: str = ""
    """Such as "holds the most"; empty where comparing makes no sense."""

    @model_validator(mode="after")
    def _of_one_kind(self) -> Self:
        if bool(self.values) == bool(self.asks):
            raise ValueError("an attribute has values, or else it asks")
        return self


class _Unit(_Strict):
    """A unit. `written` is given where it is not written as its symbol everywhere."""

    factor: float
    word: str
    written: Term | None = None


class _TypeFacts(_Strict):
    synonyms: tuple[str, ...]
    definition: str
    purpose: str
    """Completes "Somebody wants to ..."."""
    aspects: tuple[str, ...]
    price: tuple[int, int]
    """In whole dollars, least and most."""
    plural: bool = False
    mass: bool = False
    packs: bool = False
    """Whether it is sold in packs of several."""


class _Type(_TypeFacts):
    """A product type in its file. An attribute with no values of its own takes all that the attribute has."""

    name: str
    names: tuple[str, str, str, str, str]
    choices: dict[str, tuple[str, ...]]
    numbers: dict[str, tuple[str, float, float, float]]
    """Unit, least, most and step."""
    features: tuple[str, ...]
    goes_with: tuple[str, ...]
    """English names of the types that are bought along with it; holds both ways."""


class ProductType(_TypeFacts):
    """A category at the bottom of the tree."""

    number: int
    name: Term
    department: Department
    choices: dict[str, tuple[Term, ...]]
    """Attribute to the values that this type can have."""
    numbers: dict[str, NumberRange]
    features: tuple[Feature, ...]

    @property
    def key(self) -> str:
        """Its English name, which is unique."""
        return self.name.en

    @property
    def with_article(self) -> str:
        """Such as "a tent", "an office chair", "jeans"."""
        return self.name.en if self.plural or self.mass else f"{article(self.name.en)} {self.name.en}"


class _Department(_Strict):
    department: Term
    types: tuple[_Type, ...]


class Aspect(_Strict):
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
    """Patterns of product lines and descriptions."""

    made_of: Term
    pack: Term
    by: Term
    openings: tuple[str, ...]
    closings: tuple[str, ...]


class _Files(_Strict):
    """All of the lexicon, as its files have it."""

    choices: dict[str, Attribute]
    numbers: dict[str, Attribute]
    units: dict[str, dict[str, _Unit]]
    features: tuple[tuple[str, str, str, str, str, str, str], ...]
    aspects: dict[str, Aspect]
    reviews: ReviewWords
    brands: BrandParts
    phrases: Phrases
    departments: tuple[_Department, ...] = Field(min_length=2)


FOLDER = Path(__file__).parent / "lexicon"


@dataclass(frozen=True, slots=True)
class Lexicon:
    """All that products, queries and reviews are made of."""

    types: tuple[ProductType, ...]
    departments: tuple[Department, ...]
    attributes: dict[str, Attribute]
    """Those with words, then those with numbers."""
    units: dict[str, Unit]
    aspects: dict[str, Aspect]
    reviews: ReviewWords
    brands: BrandParts
    phrases: Phrases
    complements: dict[str, tuple[ProductType, ...]]
    """Type name to the types that go with it."""
    unrelated: dict[str, tuple[ProductType, ...]]
    """Type name to the types of other departments that do not go with it."""


@cache
def load_lexicon(folder: Path = FOLDER) -> Lexicon:
    """The lexicon of a folder.

    Raises:
        SetupError: a file is missing, has another form, or names what no other file knows.
    """
    one_file = [name for name in _Files.model_fields if name != "departments"]
    content = {name: read_yaml(folder / f"{name}.yaml", "the lexicon's") for name in one_file}
    content["departments"] = [
        read_yaml(path, "the lexicon's") for path in sorted((folder / "departments").glob("*.yaml"))
    ]
    try:
        return _joined(_Files.model_validate(content))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise SetupError(f"lexicon {folder}, {place}: {first['msg']}; mend the file") from error


def _joined(files: _Files) -> Lexicon:
    """Names become what they stand for."""
    units = {
        symbol: Unit(symbol, dimension, entry.factor, entry.word, entry.written or Term(*(symbol,) * len(LANGUAGES)))
        for dimension, entries in files.units.items()
        for symbol, entry in entries.items()
    }
    features = {entry[0]: Feature(Term(*entry[:-1]), entry[-1]) for entry in files.features}
    types: list[ProductType] = []
    departments: list[Department] = []
    for file in files.departments:
        departments.append(Department(len(departments), file.department))
        for entry in file.types:
            try:
                types.append(_type(entry, len(types), departments[-1], files, units, features))
            except KeyError as error:
                raise SetupError(
                    f"lexicon: {entry.name!r} names {error}, which no file explains; add it or mend it"
                ) from error
    complements = _complements(files, types)
    return Lexicon(
        types=tuple(types),
        departments=tuple(departments),
        attributes=files.choices | files.numbers,
        units=units,
        aspects=files.aspects,
        reviews=files.reviews,
        brands=files.brands,
        phrases=files.phrases,
        complements=complements,
        unrelated={
            one.key: tuple(
                other for other in types if other.department is not one.department and other not in complements[one.key]
            )
            for one in types
        },
    )


def _type(
    entry: _Type,
    number: int,
    department: Department,
    files: _Files,
    units: dict[str, Unit],
    features: dict[str, Feature],
) -> ProductType:
    choices = {}
    for key, names in entry.choices.items():
        words = {term.en: term for term in files.choices[key].values}
        choices[key] = tuple(words[name] for name in names or words)
    numbers = {}
    for key, (symbol, low, high, step) in entry.numbers.items():
        numbers[key] = NumberRange(units[symbol], low, step, round((high - low) / step) + 1)
    for unknown in (*(set(entry.numbers) - set(files.numbers)), *(set(entry.aspects) - set(files.aspects))):
        raise KeyError(unknown)
    return ProductType.model_construct(
        number=number,
        name=Term(entry.name, *entry.names),
        department=department,
        choices=choices,
        numbers=numbers,
        features=tuple(features[name] for name in entry.features),
        **{name: getattr(entry, name) for name in _TypeFacts.model_fields},
    )


def _complements(files: _Files, types: list[ProductType]) -> dict[str, tuple[ProductType, ...]]:
    by_name = {one.key: one for one in types}
    partners: dict[str, dict[str, None]] = {name: {} for name in by_name}
    for entry in (entry for file in files.departments for entry in file.types):
        for other in entry.goes_with:
            if other not in by_name:
                raise SetupError(
                    f"lexicon: {entry.name!r} goes with {other!r}, which is no product type; add it or mend it"
                )
            partners[entry.name][other] = None
            partners[other][entry.name] = None
    return {key: tuple(by_name[name] for name in names) for key, names in partners.items()}
