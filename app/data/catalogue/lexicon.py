"""The words of the catalogue, read once from the files beside this module."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.errors import SetupError

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


FOLDER = Path(__file__).parent / "lexicon"
_FILES = ("choices", "numbers", "units", "features", "aspects", "reviews", "brands", "phrases")
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where it was built


@dataclass(frozen=True, slots=True)
class Lexicon:
    """All that products, queries and reviews are made of."""

    types: tuple[ProductType, ...]
    departments: tuple[Department, ...]
    attributes: dict[str, Attribute]
    """Those with words and those with numbers, by key."""
    units: dict[str, Unit]
    aspects: dict[str, AspectEntry]
    reviews: ReviewWords
    brands: BrandParts
    phrases: Phrases
    by_name: dict[str, ProductType]
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
    texts = {name: _parsed(folder / f"{name}.yaml") for name in _FILES}
    texts["departments"] = [_parsed(path) for path in sorted((folder / "departments").glob("*.yaml"))]
    try:
        files = LexiconFiles.model_validate(texts)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise SetupError(f"lexicon {folder}, {place}: {first['msg']}; mend the file") from error
    return _Builder(files).build()


def _parsed(path: Path) -> object:
    try:
        return yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - both loaders are safe ones
    except OSError as error:
        raise SetupError(f"cannot read the lexicon's {path}: {error.strerror}; install the package again") from error
    except yaml.YAMLError as error:
        raise SetupError(f"{path} is not YAML: {' '.join(str(error).split())}; mend the file") from error


class _Builder:
    """Joins the files: names become what they stand for."""

    def __init__(self, files: LexiconFiles) -> None:
        self._files = files
        self._words = {key: {value[0]: Term(*value) for value in entry.values} for key, entry in files.choices.items()}
        self._features = {entry[0]: Feature(Term(*entry[:6]), entry[6]) for entry in files.features}
        self._units = {
            symbol: Unit(symbol, dimension, entry.factor, entry.word, Term(*(entry.written or (symbol,) * 6)))
            for dimension, units in files.units.items()
            for symbol, entry in units.items()
        }

    def build(self) -> Lexicon:
        files = self._files
        types: list[ProductType] = []
        departments = []
        for number, file in enumerate(files.departments):
            departments.append(Department(number, Term(*file.department)))
            types += [self._type(place, departments[-1], one) for place, one in enumerate(file.types, len(types))]
        by_name = {one.name.en: one for one in types}
        complements = _complements(types, by_name)
        return Lexicon(
            types=tuple(types),
            departments=tuple(departments),
            attributes=self._attributes(),
            units=self._units,
            aspects=files.aspects,
            reviews=files.reviews,
            brands=files.brands,
            phrases=files.phrases,
            by_name=by_name,
            complements=complements,
            unrelated={one.key: _unrelated(one, types, complements[one.key]) for one in types},
        )

    def _attributes(self) -> dict[str, Attribute]:
        words = {
            key: Attribute(key, Term(*entry.name), tuple(self._words[key].values()))
            for key, entry in self._files.choices.items()
        }
        return words | {key: _number_attribute(key, entry) for key, entry in self._files.numbers.items()}

    def _type(self, number: int, department: Department, entry: TypeEntry) -> ProductType:
        try:
            choices = {
                key: tuple(self._words[key][name] for name in names or self._words[key])
                for key, names in entry.choices.items()
            }
            numbers = {key: self._range(*values) for key, values in entry.numbers.items() if self._files.numbers[key]}
            features = tuple(self._features[name] for name in entry.features)
            for aspect in entry.aspects:
                self._files.aspects[aspect]
        except KeyError as error:
            raise SetupError(
                f"lexicon: {entry.name!r} names {error}, which no file explains; add it or mend it"
            ) from error
        return ProductType(
            number=number,
            name=Term(entry.name, *entry.names),
            department=department,
            synonyms=entry.synonyms,
            definition=entry.definition,
            purpose=entry.purpose,
            choices=choices,
            numbers=numbers,
            features=features,
            aspects=entry.aspects,
            goes_with=entry.goes_with,
            packs=entry.packs,
            price=entry.price,
            plural=entry.plural,
            mass=entry.mass,
        )

    def _range(self, symbol: str, low: float, high: float, step: float) -> NumberRange:
        return NumberRange(self._units[symbol], low, step, round((high - low) / step) + 1)


def _number_attribute(key: str, entry: NumberEntry) -> Attribute:
    return Attribute(key, Term(*entry.name), asks=entry.asks, states=entry.states, most=entry.most)


def _unrelated(
    one: ProductType, types: list[ProductType], partners: tuple[ProductType, ...]
) -> tuple[ProductType, ...]:
    keys = {partner.key for partner in partners}
    return tuple(other for other in types if other.department is not one.department and other.key not in keys)


def _complements(types: list[ProductType], by_name: dict[str, ProductType]) -> dict[str, tuple[ProductType, ...]]:
    partners: dict[str, list[str]] = {one.key: [] for one in types}
    for one in types:
        for other in one.goes_with:
            if other not in by_name:
                raise SetupError(
                    f"lexicon: {one.key!r} goes with {other!r}, which is no product type; add it or mend it"
                )
            partners[one.key].append(other)
            partners[other].append(one.key)
    return {key: tuple(by_name[name] for name in dict.fromkeys(names)) for key, names in partners.items()}
