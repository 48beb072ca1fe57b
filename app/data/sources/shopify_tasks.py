"""What is asked about Shopify's taxonomy: what belongs together, what an attribute is, what it is called abroad."""

import random
from collections.abc import Iterator, Sequence

from app.data.row import Capability
from app.data.sources.shopify_taxonomy import (
    ATTRIBUTE,
    CATEGORY,
    LANGUAGES,
    PATH,
    SHOPIFY,
    Category,
    Entry,
    Taxonomy,
)
from app.data.tasks.lists import OPTIONS, choices, content_words, selection
from app.data.tasks.task import CHOICE, GENERATION, RETRIEVAL, Draft, PublishedSource, TaskGroup
from app.evaluation.names import Metric

_concept = TaskGroup[Entry](SHOPIFY, Capability.CONCEPT_UNDERSTANDING, "shopify", "shopify_")
_COMMON = 300
"""Categories from which an attribute is so common that nearly everything may have it."""
_SPREAD, _OFTEN = 3, 60
"""Branches and categories that may use an attribute which is wrong for any other: what is used more, such as "Item
condition", may apply to anything, and so may one of a single word ("Season")."""
_SELECTED, _LISTED = 3, 10
_TRIED = 60
"""Others that are looked at for one question."""
_NEAR = 2
"""Wrong ones of the same root: near enough to be thought of, and of another branch, so certainly wrong."""


def _category(record: Entry) -> Category:
    return record.taxonomy.categories[record.key]


def _is_category(record: Entry) -> bool:
    return record.kind == CATEGORY


def _is_attribute(record: Entry) -> bool:
    return record.kind == ATTRIBUTE


def _others(taxonomy: Taxonomy, one: Category, rng: random.Random) -> Iterator[Category]:
    """Categories of other branches, a few of the same root first, then any; in random order."""
    root = one.levels[0]
    below, everywhere = (taxonomy.of_root.get(name, ()) for name in (root, ""))
    near = [other for other in rng.sample(below, min(_TRIED, len(below))) if other.branch != one.branch]
    yield from near[:_NEAR]
    yield from (other for other in rng.sample(everywhere, min(_TRIED, len(everywhere))) if other.levels[0] != root)
    yield from near[_NEAR:]


@_concept("applicable attribute", CHOICE, where=_is_category)
def _with_attribute(record: Entry, rng: random.Random) -> Iterator[Draft]:
    """The category's rarest attribute; wrong categories are of branches where nothing has it or its values."""
    taxonomy, category = record.taxonomy, _category(record)
    special = [key for key in category.attributes if key in taxonomy.attributes and taxonomy.users[key] < _COMMON]
    if not special:
        return
    attribute = taxonomy.attributes[min(special, key=lambda key: (taxonomy.users[key], key))]
    wrong: list[str] = []
    for other in _others(taxonomy, category, rng):
        without = attribute.root not in taxonomy.roots_of_branch[other.branch]
        if without and other.attributes and content_words(other.name).isdisjoint(content_words(attribute.name)):
            wrong.append(other.name)
    wrong = list(dict.fromkeys(name for name in wrong if name != record.name))[: OPTIONS - 1]
    if len(wrong) == OPTIONS - 1:
        options, number = choices(record.name, wrong, rng)
        yield Draft({"attribute": attribute.name, "options": options}, number, record.group)


@_concept("applicable attribute", RETRIEVAL, where=_is_category)
def _attributes(record: Entry, rng: random.Random) -> Iterator[Draft]:
    """Three attributes of a category, the special ones first; wrong ones are of no category of its branch."""
    taxonomy, category = record.taxonomy, _category(record)
    own = [taxonomy.attributes[key] for key in category.attributes if key in taxonomy.attributes]
    special = [one for one in own if taxonomy.users[one.key] < _COMMON]
    if len(own) < _SELECTED or len(special) < _SELECTED - 1:
        return
    common = [one for one in own if one not in special]
    gold = [*rng.sample(special, len(special)), *rng.sample(common, len(common))][:_SELECTED]
    named = content_words(" ".join([taxonomy.path(record.key), *(one.name for one in own)])) - {"feature"}
    taken = taxonomy.roots_of_branch[category.branch]
    wrong: dict[str, None] = {}
    for other in _others(taxonomy, category, rng):
        for key in other.attributes:
            one = taxonomy.attributes.get(key)
            if one is None or one.root in taken or " " not in one.name:
                continue
            rare = taxonomy.spread[one.root] <= _SPREAD and taxonomy.users[key] <= _OFTEN
            if rare and named.isdisjoint(content_words(one.name)):
                wrong[one.name] = None
    if len(wrong) >= _LISTED - _SELECTED:
        listed, numbers = selection([one.name for one in gold], list(wrong)[: _LISTED - _SELECTED], rng)
        yield Draft({"category": record.name, "path": taxonomy.path(record.key), "list": listed}, numbers, record.group)


@_concept("category classification", CHOICE, where=_is_category)
def _parent(record: Entry, rng: random.Random) -> Iterator[Draft]:
    """Wrong ones stand in other branches, share no word with the category or its parent, and have no such child."""
    taxonomy, category = record.taxonomy, _category(record)
    if len(category.levels) < 3:
        return
    parent = taxonomy.categories.get(category.levels[-2])
    if parent is None or record.name == parent.name:
        return
    words = content_words(f"{record.name} {parent.name}")
    wrong: dict[str, None] = {}
    for other in _others(taxonomy, category, rng):
        children = {taxonomy.categories[key].name for key in other.children if key in taxonomy.categories}
        if children and record.name not in children and words.isdisjoint(content_words(other.name)):
            wrong[other.name] = None
    if len(wrong) >= OPTIONS - 1:
        options, number = choices(parent.name, list(wrong)[: OPTIONS - 1], rng)
        yield Draft({"category": record.name, "options": options}, number, record.group)


@_concept("attribute explanation", GENERATION, Metric.ROUGE_L, where=_is_attribute)
def _explanation(record: Entry, rng: random.Random) -> Iterator[Draft]:  # noqa: ARG001 - as the others take it
    description = record.taxonomy.attributes[record.key].description
    if description:
        yield Draft({"attribute": record.name}, description, record.group)


_CODES = {**{language: language for language in LANGUAGES}, "zh-CN": "zh"}
_name = TaskGroup[Entry](SHOPIFY, Capability.MULTILINGUAL, "shopify_names", "shopify_")
_SPOKEN = tuple(_CODES.values())
_EUROPEAN = ("de", "fr", "es", "it")
_TOKENS = 4
"""Words that a text needs for BLEU to count anything."""
_CHARACTERS = 12
"""The same for Japanese, written without blanks."""


def _asked(record: Entry, rng: random.Random, languages: Sequence[str] = tuple(LANGUAGES)) -> tuple[str, str] | None:
    """One of the languages, with the name in it."""
    names = [one for one in record.names if one[0] in languages]
    return rng.choice(names) if names else None


def _said(record: Entry) -> str:
    """What the name is of, such as "value of the attribute 'Neckline'"."""
    within = {CATEGORY: "product category", ATTRIBUTE: "product attribute"}
    return within.get(record.kind) or f"value of the attribute '{record.context}'"


def _alike(record: Entry, language: str, rng: random.Random) -> list[tuple[str, str]]:
    """(English name, name) of neighbours, then of others of the kind, where these differ from the record's."""
    taxonomy = record.taxonomy
    english, theirs = taxonomy.texts[record.kind]["en"], taxonomy.texts[record.kind][language]
    near = taxonomy.neighbours[record.kind, taxonomy.over(record.kind, record.key, english[record.key])]
    every = taxonomy.keys[record.kind]
    keys = [*rng.sample(near, min(_TRIED // 4, len(near))), *rng.sample(every, min(_TRIED // 4, len(every)))]
    found: dict[str, str] = {}
    for key in keys:
        name, other = english[key].get("name", ""), theirs.get(key, {}).get("name", "")
        if name and other and name.lower() not in {record.name.lower(), "other"} and other not in found.values():
            found.setdefault(name, other)
    return list(found.items())


@_name("product naming", CHOICE, None, _SPOKEN)
def _name_abroad(record: Entry, rng: random.Random) -> Iterator[Draft]:
    asked = _asked(record, rng)
    if asked:
        language, name = asked
        wrong = [other for _, other in _alike(record, language, rng) if other.lower() != name.lower()][: OPTIONS - 1]
        if len(wrong) == OPTIONS - 1:
            options, number = choices(name, wrong, rng)
            variables = {
                "name": record.name,
                "what": _said(record),
                "language": LANGUAGES[language],
                "options": options,
            }
            yield Draft(variables, number, record.group, _CODES[language])


@_name("product naming", CHOICE, None, _SPOKEN)
def _name_meant(record: Entry, rng: random.Random) -> Iterator[Draft]:
    asked = _asked(record, rng)
    if asked:
        language, name = asked
        others = _alike(record, language, rng)
        wrong = [one for one, other in others if other.lower() != name.lower()][: OPTIONS - 1]
        if len(wrong) == OPTIONS - 1:
            options, number = choices(record.name, wrong, rng)
            variables = {"name": name, "what": _said(record), "language": LANGUAGES[language], "options": options}
            yield Draft(variables, number, record.group, _CODES[language])


@_name("product naming", GENERATION, Metric.MULTILINGUAL_SENT_TRANSFORMER, _SPOKEN)
def _name_written(record: Entry, rng: random.Random) -> Iterator[Draft]:
    """Into the language, or now and then into English."""
    asked = _asked(record, rng)
    if asked:
        language, name = asked
        names = (record.name, name, "English", LANGUAGES[language])
        given, gold, source, target = names if rng.random() < 0.7 else (name, record.name, names[3], names[2])
        variables = {"name": given, "what": _said(record), "source": source, "target": target}
        yield Draft(variables, gold, record.group, _CODES[language])


def _texts(record: Entry, language: str) -> tuple[str, str]:
    """A text and its translation that are long enough for BLEU: an attribute's description, a category's path."""
    taxonomy = record.taxonomy
    if record.kind == CATEGORY:
        return taxonomy.path(record.key), taxonomy.path(record.key, language)
    described = (taxonomy.texts[record.kind][one].get(record.key, {}) for one in ("en", language))
    english, translated = (texts.get("description", "") for texts in described)
    return english, translated


def _translation(record: Entry, language: str, *, abroad: bool) -> Iterator[Draft]:
    english, translated = _texts(record, language)
    given, gold = (english, translated) if abroad else (translated, english)
    unspaced = sum(not character.isascii() for character in gold) if language == "ja" and abroad else 0
    long_enough = len(gold.replace(PATH, " ").split()) >= _TOKENS or unspaced >= _CHARACTERS
    if given and gold and long_enough and english.lower() != translated.lower():
        source, target = ("English", LANGUAGES[language]) if abroad else (LANGUAGES[language], "English")
        what = "category path" if record.kind == CATEGORY else "description of an attribute"
        variables = {"text": given, "what": what, "source": source, "target": target}
        yield Draft(variables, gold, record.group, _CODES[language])


def _has_text(record: Entry) -> bool:
    return record.kind in {CATEGORY, ATTRIBUTE}


@_name("title translation", GENERATION, Metric.BLEU, _SPOKEN, where=_has_text)
def _translated(record: Entry, rng: random.Random) -> Iterator[Draft]:
    """Into a European language, or from any into English."""
    abroad = rng.random() < 0.7
    yield from _translation(record, rng.choice(_EUROPEAN if abroad else tuple(LANGUAGES)), abroad=abroad)


@_name("title translation", GENERATION, Metric.JP_BLEU, ("ja",), where=_has_text)
def _translated_japanese(record: Entry, rng: random.Random) -> Iterator[Draft]:  # noqa: ARG001 - as the others take it
    yield from _translation(record, "ja", abroad=True)


SOURCES: tuple[PublishedSource, ...] = (SHOPIFY,)
TASKS = (*_concept.tasks(), *_name.tasks())
