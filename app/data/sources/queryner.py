"""QueryNER: what customers typed into a shop's search box, every word marked with the kind of thing it says.

Schema, JSON lines: `tokens`, `labels` (B-type, I-type or O for each token), also `example_id` (ESCI's) and `spans`;
17 types (bltlab/query-ner, Palen-Michel et al. 2024; tokens joined to the labels by mdfwg/queryner-kd). The types
`modifier`, `content`, `shape`, `condition` and the two of products' names take in many things, so nothing is asked
about them.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.data.row import Capability
from app.data.sources.reading import RawRow, find_tables, read_table
from app.data.tasks.lists import OPTIONS, choices
from app.data.tasks.task import CHOICE, NER, Draft, PublishedSource, TaskGroup

FIELDS = ("tokens", "labels")
_PRODUCT, _MAKER = "core_product_type", "creator"
_MARKS = set(",;|\"“”'")
"""Characters that an answer's list, or a quoted query, would be cut at."""


@dataclass(frozen=True, slots=True)
class LabelledQuery:
    """A query with its phrases, in order."""

    query: str
    phrases: tuple[tuple[str, str], ...]
    """(phrase, type)."""
    types_of: dict[str, frozenset[str]]
    """For each of the phrases the types that the whole set gives it."""


def read_queryner(folder: Path, faults: Counter[str]) -> Iterator[LabelledQuery]:
    """The queries of a folder's train and dev file (or of one file), each once.

    A file is held whole: what a phrase may be elsewhere decides what is certainly wrong.
    """
    seen: set[str] = set()
    for path in find_tables(folder, "train", "dev"):
        found: dict[str, tuple[tuple[str, str], ...]] = {}
        for row in read_table(path, FIELDS):
            query, phrases = " ".join(row.texts("tokens")), _phrases(row)
            if not phrases:
                faults["QueryNER: no phrase is labelled, dropped"] += 1
            elif not _MARKS.isdisjoint(query):
                faults["QueryNER: commas or quotation marks in a query, dropped"] += 1
            elif query in seen:
                faults["QueryNER: the same query again, dropped"] += 1
            else:
                seen.add(query)
                found[query] = phrases
        types: defaultdict[str, set[str]] = defaultdict(set)
        for phrases in found.values():
            for phrase, kind in phrases:
                types[phrase.lower()].add(kind)
        for query, phrases in found.items():
            yield LabelledQuery(query, phrases, {phrase: frozenset(types[phrase.lower()]) for phrase, _ in phrases})


def _phrases(row: RawRow) -> tuple[tuple[str, str], ...]:
    """The phrases that labels such as B-color and I-color mark.

    Raises:
        InputError: there is not one label a token, or one of another form.
    """
    tokens, labels = row.texts("tokens"), row.texts("labels")
    if len(tokens) != len(labels):
        raise row.wrong("labels", f"{len(tokens)} labels, one a token", labels)
    found: list[tuple[list[str], str]] = []
    last = "O"
    for token, label in zip(tokens, labels, strict=True):
        mark, _, kind = label.partition("-")
        if (mark, kind) != ("O", "") and (mark not in {"B", "I"} or not kind):
            raise row.wrong("labels", "labels such as B-color, I-color and O", label)
        if mark == "I" and found and last.partition("-")[2] == kind:
            found[-1][0].append(token)
        elif kind:
            found.append(([token], kind))
        last = label
    return tuple((" ".join(words), kind) for words, kind in found)


QUERYNER = PublishedSource(
    "QueryNER",
    "MIT (labels), Apache-2.0 (queries)",
    "GitHub, bltlab/query-ner (Palen-Michel et al. 2024)",
    read_queryner,
)
_query = TaskGroup[LabelledQuery](QUERYNER, Capability.CONCEPT_UNDERSTANDING, "queryner", "queryner_")
EXTRACTED = {"material": "material", "color": "color", "UoM": "size", _MAKER: "brand", _PRODUCT: "product type"}
"""The types that are asked for in words of ShopBench, the rare ones first."""
_MOST = 2
KINDS = {
    "origin": "the country or region that it comes from",
    "time": "a year or a period",
    "price": "what it may cost",
    "quantity": "how many pieces there are",
    "occasion": "the occasion that it is bought for",
    "material": "what it is made of",
    "color": "the color",
    "UoM": "the size or measure",
    "department": "the people that it is meant for",
    _MAKER: "the brand or the maker",
    _PRODUCT: "the kind of product",
}
"""The types that are clear enough to be told from one another, the rare ones first."""
_ALIKE = (frozenset({"quantity", "UoM"}), frozenset({"occasion", "time"}), frozenset({"origin", _MAKER}))
"""Types that are not offered together: "dozen", "christmas", "japanese"."""
_BOOKISH = frozenset(
    ["album", "albums", "book", "books", "cd", "comic", "comics", "dvd", "movie", "movies", "music", "novel", "novels",
     "poster", "print", "vinyl"]
)  # fmt: skip
"""Of these the maker is an author or an artist, and no brand."""


def _asked_as_brand(record: LabelledQuery) -> bool:
    products = [phrase for phrase, kind in record.phrases if kind == _PRODUCT]
    return bool(products) and _BOOKISH.isdisjoint(record.query.lower().split())


@_query("entity typing and extraction", NER)
def _entities(record: LabelledQuery, rng: random.Random) -> Iterator[Draft]:  # noqa: ARG001 - as the others take it
    """The rarest types of a query that says more than one thing; a query that is one phrase would be copied whole."""
    if len(record.phrases) < 2:
        return
    asked = [
        kind
        for kind in EXTRACTED
        if any(kind == one for _, one in record.phrases) and (kind != _MAKER or _asked_as_brand(record))
    ]
    for kind in asked[:_MOST]:
        spans = list(dict.fromkeys(phrase for phrase, one in record.phrases if one == kind))
        yield Draft({"query": record.query, "kind": EXTRACTED[kind]}, spans, f"us/{record.query}")


@_query("entity typing and extraction", CHOICE)
def _phrase_kind(record: LabelledQuery, rng: random.Random) -> Iterator[Draft]:
    """One phrase, the rarest kind of the query; wrong ones are what its other phrases say, then any.

    A type that the set gives to the phrase in another query, or that is like its own, is never a wrong one.
    """
    known = [(phrase, kind) for phrase, kind in record.phrases if kind in KINDS and len(phrase) > 1]
    if len(record.phrases) < 2 or not known:
        return
    phrase, kind = min(known, key=lambda one: list(KINDS).index(one[1]))
    present = [one for _, one in record.phrases if one in KINDS]
    others = list(dict.fromkeys([*rng.sample(present, len(present)), *rng.sample(list(KINDS), len(KINDS))]))
    wrong: list[str] = []
    for other in others:
        alike = any({other, one} in _ALIKE for one in (kind, *wrong))
        if other not in record.types_of[phrase] and not alike:
            wrong.append(other)
    options, number = choices(KINDS[kind], [KINDS[one] for one in wrong[: OPTIONS - 1]], rng)
    yield Draft({"query": record.query, "phrase": phrase, "options": options}, number, f"us/{record.query}")


SOURCES = (QUERYNER,)
TASKS = _query.tasks()
