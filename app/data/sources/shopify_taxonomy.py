"""Shopify's product taxonomy: the tree of categories, the attributes of each, and names in seven languages.

Published as YAML, .gz too: data/categories/*.yml, lists of `id` ("fr-1-2" stands under "fr-1"), `name`, `children` and
`attributes` (friendly ids); data/attributes.yml, `base_attributes` and `extended_attributes` of `name`, `description`,
`friendly_id`, the latter with `values_from`; data/localizations/{categories,attributes,values}/<language>.yml,
`<language>: <kind>: <key>: {name, context or description}` (Shopify/product-taxonomy).
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import yaml

from app.data.sources.reading import RawRow, count, one_line
from app.data.sources.spill import once_a_file
from app.data.tasks.task import PublishedSource
from app.errors import InputError
from app.files import open_bytes

LANGUAGES = {"de": "German", "fr": "French", "es": "Spanish", "it": "Italian", "ja": "Japanese", "zh-CN": "Chinese"}
"""Beside English, as the files call them."""
CATEGORY, ATTRIBUTE, VALUE = "categories", "attributes", "values"
KINDS = {CATEGORY: "product category", ATTRIBUTE: "product attribute", VALUE: "attribute value"}
_ENGLISH = "en"
_DEPTH = 4
"""Of the mapping that holds a name: document, language, kind, key."""
_CATCH_ALL = "other"
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
PATH = " > "


@dataclass(frozen=True, slots=True)
class Category:
    """A node of the tree."""

    key: str
    name: str
    children: tuple[str, ...]
    attributes: tuple[str, ...]
    levels: tuple[str, ...]
    """The keys from the root to this node."""

    @property
    def branch(self) -> str:
        """The key of the second level, or of the root itself: what all that is close to it shares."""
        return self.levels[:2][-1]


@dataclass(frozen=True, slots=True)
class Attribute:
    """A property that products of a category may have."""

    key: str
    name: str
    description: str
    root: str
    """The attribute that it takes its values from; itself where there is none."""


Names = Mapping[str, Mapping[str, str]]
"""By key: `name`, and `context` or `description`."""


@dataclass(frozen=True, eq=False)
class Taxonomy:
    """All of it in memory: some 40 MB."""

    categories: Mapping[str, Category]
    attributes: Mapping[str, Attribute]
    texts: Mapping[str, Mapping[str, Names]] = field(repr=False)
    """By kind and language; English among them."""
    faults: Counter[str]

    @cached_property
    def users(self) -> Counter[str]:
        """How many categories have an attribute."""
        return Counter(key for category in self.categories.values() for key in category.attributes)

    @cached_property
    def roots_of_branch(self) -> Mapping[str, frozenset[str]]:
        """The roots of all attributes that any category of a branch has."""
        found: defaultdict[str, set[str]] = defaultdict(set)
        for category in self.categories.values():
            found[category.branch].update(self.root(key) for key in category.attributes)
        return {branch: frozenset(roots) for branch, roots in found.items()}

    @cached_property
    def spread(self) -> Counter[str]:
        """In how many branches the values of a root are used: what is used in many may be meant anywhere."""
        return Counter(root for roots in self.roots_of_branch.values() for root in roots)

    @cached_property
    def of_root(self) -> Mapping[str, tuple[Category, ...]]:
        """The categories of each root, and under "" all, but for the roots themselves."""
        found: defaultdict[str, list[Category]] = defaultdict(list)
        for category in self.categories.values():
            if len(category.levels) > 1:
                found[category.levels[0]].append(category)
                found[""].append(category)
        return {root: tuple(below) for root, below in found.items()}

    @cached_property
    def keys(self) -> Mapping[str, tuple[str, ...]]:
        """Of each kind, all that have a name."""
        return {kind: tuple(by_language[_ENGLISH]) for kind, by_language in self.texts.items()}

    @cached_property
    def neighbours(self) -> Mapping[tuple[str, str], tuple[str, ...]]:
        """Keys by kind and what they stand under: the children of a category, the values of an attribute's name."""
        found: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        for kind, by_language in self.texts.items():
            for key, texts in by_language[_ENGLISH].items():
                found[kind, self.over(kind, key, texts)].append(key)
        return {place: tuple(keys) for place, keys in found.items()}

    def over(self, kind: str, key: str, texts: Mapping[str, str]) -> str:
        """What an entry stands under."""
        return key.rpartition("-")[0] if kind == CATEGORY else texts.get("context", "")

    def root(self, attribute: str) -> str:
        """The attribute whose values this one has."""
        known = self.attributes.get(attribute)
        return known.root if known else attribute

    def path(self, key: str, language: str = _ENGLISH) -> str:
        """A category's names from the root down, empty where one of them is not translated."""
        texts = self.texts[CATEGORY][language]
        names = [texts.get(level, {}).get("name", "") for level in self.categories[key].levels]
        return PATH.join(names) if all(names) else ""


@dataclass(frozen=True, slots=True)
class Entry:
    """A category, an attribute or a value, by its English name."""

    kind: str
    """CATEGORY, ATTRIBUTE or VALUE."""
    key: str
    name: str
    names: tuple[tuple[str, str], ...]
    """(language, name) where it is not the same as in English."""
    taxonomy: Taxonomy = field(repr=False, compare=False)

    @property
    def context(self) -> str:
        """What it stands under, in English: the path of a category's parent, a value's attribute; may be empty."""
        if self.kind == CATEGORY:
            return self.taxonomy.path(self.key).rpartition(PATH)[0]
        return self.taxonomy.texts[self.kind][_ENGLISH][self.key].get("context", "")

    @property
    def group(self) -> str:
        """The same for all that have this name in English."""
        return f"taxonomy/{self.name.lower()}"


def read_shopify_taxonomy(folder: Path, faults: Counter[str]) -> Iterator[Entry]:
    """The categories, attributes and values of a folder in the files' order; names that say nothing are left out."""
    taxonomy = _open(folder)
    faults.update(taxonomy.faults)
    for kind, by_language in taxonomy.texts.items():
        said = {name.lower() for name in KINDS.values()}
        for key, texts in by_language[_ENGLISH].items():
            name = texts.get("name", "")
            if name.lower() == _CATCH_ALL or name.lower() in said or not any(map(str.isalpha, name)):
                faults[f"Shopify-taxonomy {kind}: 'Other' or a mere number, left out"] += 1
                continue
            if kind != VALUE and key not in (taxonomy.categories if kind == CATEGORY else taxonomy.attributes):
                faults[f"Shopify-taxonomy {kind}: a name of nothing, left out"] += 1
                continue
            names = []
            for language in LANGUAGES:
                translated = by_language[language].get(key, {}).get("name", "")
                if translated and translated.lower() != name.lower():
                    names.append((language, translated))
                else:
                    what = "the same as in English" if translated else "not translated"
                    faults[f"Shopify-taxonomy {kind}: a name {what}, not asked in that language"] += 1
            yield Entry(kind, key, name, tuple(names), taxonomy)


def _read(folder: Path) -> Taxonomy:
    faults: Counter[str] = Counter()
    data = folder / "data"
    categories = {}
    for path in _files(data / "categories", "*"):
        for row in _list(path, _document(path)):
            key, name = row.text("id"), one_line(row.text("name"))
            parts = key.split("-")
            levels = tuple("-".join(parts[:depth]) for depth in range(1, len(parts) + 1))
            children, attributes_of = row.texts_or_none("children"), row.texts_or_none("attributes")
            categories[key] = Category(key, name, children, attributes_of, levels)
    attributes = {}
    [path] = _files(data, "attributes")
    document = _document(path)
    for part in ("base_attributes", "extended_attributes"):
        for row in _list(path, document.get(part) if isinstance(document, dict) else None):
            key = row.text("friendly_id")
            description, root = one_line(row.text_or("description")), row.text_or("values_from", key)
            attributes[key] = Attribute(key, one_line(row.text("name")), description, root)
    texts = {
        kind: {language: _names(data / "localizations" / kind, language, faults) for language in (_ENGLISH, *LANGUAGES)}
        for kind in KINDS
    }
    return Taxonomy(categories, attributes, texts, faults)


_open = once_a_file(_read)


def _files(folder: Path, stem: str) -> list[Path]:
    found = sorted([*folder.glob(f"{stem}.yml"), *folder.glob(f"{stem}.yml.gz")])
    if not found:
        raise InputError(f"no {stem}.yml in {folder}: put the published files there")
    return found


def _document(path: Path) -> object:
    with open_bytes(path) as file:
        try:
            return yaml.load(file, _LOADER)  # noqa: S506 - a safe one
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise _not_yaml(path, error) from error


def _not_yaml(path: Path, error: Exception) -> InputError:
    return InputError(f"{path} is not YAML: {' '.join(str(error).split())}")


def _list(path: Path, found: object) -> Iterator[RawRow]:
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise InputError(f"{path}: want lists of objects, as published; fetch it again")
    for number, values in enumerate(found, start=1):
        yield RawRow(f"{path}, entry {number}", values)


def _names(folder: Path, language: str, faults: Counter[str]) -> Names:
    [path] = _files(folder, language)
    found: dict[str, dict[str, str]] = {}
    with open_bytes(path) as file:
        try:
            for key, name, text in _scalars(file):
                texts = found.setdefault(key, {})
                count(
                    faults,
                    f"Shopify-taxonomy {folder.name}: a key twice, the first kept",
                    name == "name" and name in texts,
                )
                texts.setdefault(name, one_line(text))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise _not_yaml(path, error) from error
    if not found:
        raise InputError(f"{path} holds no names; fetch it again")
    return found


def _scalars(file: BinaryIO) -> Iterator[tuple[str, str, str]]:
    """(key, name of the field, text) of the innermost mappings, as the parser meets them: no tree is built."""
    keys: list[str] = []
    key = ""
    for event in yaml.parse(file, Loader=_LOADER):
        if isinstance(event, yaml.MappingStartEvent):
            keys.append(key)
            key = ""
        elif isinstance(event, yaml.MappingEndEvent):
            keys.pop()
        elif isinstance(event, yaml.ScalarEvent):
            if not key:
                key = event.value
                continue
            if len(keys) == _DEPTH:
                yield keys[-1], key, event.value
            key = ""


SHOPIFY = PublishedSource(
    "Shopify-taxonomy", "MIT", "GitHub, Shopify/product-taxonomy (2025-01-unstable)", read_shopify_taxonomy
)
