"""The words of the catalogue, read once from the files beside this module."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from app.errors import SetupError
from app.training.catalogue.lexicon_schema import (
    AspectEntry,
    BrandParts,
    LexiconFiles,
    NumberEntry,
    Phrases,
    ReviewWords,
    TypeEntry,
)
from app.training.catalogue.measures import Unit
from app.training.catalogue.product_type import Attribute, Department, Feature, NumberRange, ProductType
from app.training.catalogue.terms import Term

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
