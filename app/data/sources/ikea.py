"""IKEA's product descriptions in English with German or French: two files whose lines go together.

Schema, read off the published files: data.en.de/data.raw/train_WMT_2017.{en,de}, the same with fr, a description a
line, gzipped or not. Texts are tokenised, sentences and headings run together, and the languages do not always say the
same, so sentences are paired here and only pairs that fit are used.
"""

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.data.row import Capability
from app.data.sources.reading import count, joined
from app.data.tasks.lists import OPTIONS, choices, content_words, unlike
from app.data.tasks.task import CHOICE, GENERATION, Draft, PublishedSource, TaskGroup
from app.errors import InputError
from app.evaluation.names import Metric
from app.files import open_bytes

LANGUAGES = {"de": "German", "fr": "French"}
_JOINED = (
    (re.compile(r"\s+"), " "),
    (re.compile(r"(\d+) ?[°º] ?([CF])\b"), r"\1 °\2"),
    (re.compile(r" ([.,:)])"), r"\1"),
    (re.compile(r"(?<=[a-zäöüßéèà)CF])\.(?=[A-ZÄÖÜÉÀ])"), ". "),
    (re.compile(r"([(]) "), r"\1"),
)
_OWN = {
    "en": (
        (re.compile(r" ([;!?])"), r"\1"),
        (re.compile(r" ?[’'] ?(?=(?:s|t|re|ll|ve)\b)"), "'"),
        (re.compile(r"(?<=s) [’'](?= )"), "'"),
    ),
    "de": ((re.compile(r" ([;!?])"), r"\1"),),
    "fr": ((re.compile(r"(?<=\w) ?[’'] ?(?=\w)"), "'"),),
}
"""What a language writes otherwise: French has a blank before marks of two parts, and elides."""
_BREAK = re.compile(r"(?<=[.!?]) +(?=[A-ZÄÖÜÉÀÈ])")
_RUN_IN = re.compile(r"[a-zäöüßéèà)\d][A-ZÄÖÜÉ][a-zäöüßéèà]")
"""A heading before the sentence that it stands over."""
_WORD = re.compile(r"[^\W\d_]{3,}")
_DICE = 0.2
"""The coefficient from which words of two languages count as each other's translation."""
_FREQUENT = 0.25
"""Share of the descriptions; words that stand in more of them do not tell sentences apart."""
_RECURRING = 3
"""Descriptions that may hold a sentence; what stands in more is a care phrase or the like."""
_SHARED = 1 / 3
"""Of a sentence's words, those that have a partner in the sentence that it goes with."""
_LENGTHS = (0.5, 2.0)
_SIZES = (40, 260)
"""Characters of a passage in English."""
_DRAWN, _OTHERS = 60, 6
"""Passages of other products that are looked at, and those of them that are kept: with most words in common."""


@dataclass(frozen=True, slots=True)
class Translated:
    """A passage of one or two sentences of a description, in two languages."""

    language: str
    """The other one's code: de or fr."""
    english: str
    other: str
    elsewhere: tuple[tuple[str, str], ...]
    """Passages of other products, in both languages, that say something else."""
    group: str
    """The same for all passages of a description and of those that share a sentence with it, in either language."""


def read_ikea(folder: Path, faults: Counter[str]) -> Iterator[Translated]:
    """The passages of a folder's training files, language by language. A pair of files is held whole, to pair words.

    Raises:
        InputError: there is no pair of files, or one has more lines than the other.
    """
    found: dict[str, list[Description]] = {}
    for language in LANGUAGES:
        paths = [
            path
            for code in ("en", language)
            for path in sorted(folder.glob(f"data.en.{language}/data.raw/train_WMT_2017.{code}*"))[:1]
        ]
        if len(paths) == 2:
            found[language] = _lines(paths[0], paths[1], language, faults)
    if not found:
        raise InputError(f"no data.en.de/data.raw/train_WMT_2017.en and .de in {folder}: put the published files there")
    times = {
        language: Counter(one for english, _ in pairs for one in set(english)) for language, pairs in found.items()
    }
    groups = joined(
        (own[0], one)
        for language, descriptions in found.items()
        for english, _ in descriptions
        for own in [[one for one in english if times[language][one] <= _RECURRING]]
        for one in own
    )
    for language, descriptions in found.items():
        yield from _passages(language, descriptions, times[language], groups, faults)


Description = tuple[list[str], list[str]]
"""A description's sentences in both languages."""


def _lines(first: Path, second: Path, language: str, faults: Counter[str]) -> list[Description]:
    with open_bytes(first) as one, open_bytes(second) as other:
        texts = [file.read().decode("utf-8", "replace").splitlines() for file in (one, other)]
    if len(texts[0]) != len(texts[1]):
        raise InputError(f"{first} has {len(texts[0])} lines, {second} {len(texts[1])}: fetch both again")
    seen: set[str] = set()
    kept = []
    for english, translated in zip(*texts, strict=True):
        pair = sentences(english, "en"), sentences(translated, language)
        if english in seen:
            faults["IKEA: a description again, dropped"] += 1
        elif not all(pair):
            faults["IKEA: a line without a sentence, dropped"] += 1
        elif len(pair[0]) != len(pair[1]):
            faults["IKEA: a description with more sentences in one language, dropped"] += 1
        else:
            kept.append(pair)
        seen.add(english)
    return kept


def sentences(text: str, language: str) -> list[str]:
    """The sentences of a tokenised text, each as one would write it in the language ("en", "de", "fr")."""
    for pattern, mark in (*_JOINED, *_OWN[language]):
        text = pattern.sub(mark, text)
    return [one for one in _BREAK.split(text.strip()) if _WORD.search(one)]


def _passages(
    language: str, descriptions: list[Description], times: Counter[str], groups: dict[str, str], faults: Counter[str]
) -> Iterator[Translated]:
    partners = _partners(descriptions)
    found: list[tuple[str, str, str]] = []
    for english, other in descriptions:
        own = [
            times[one] <= _RECURRING and not _RUN_IN.search(one) and not _RUN_IN.search(translated)
            for one, translated in zip(english, other, strict=True)
        ]
        usable = [fits and alone for fits, alone in zip(_fitting(english, other, partners), own, strict=True)]
        count(faults, "IKEA: a sentence of many descriptions or with a heading in it, left out", own.count(False))
        count(
            faults, "IKEA: a sentence that says something else in the other language, left out", sum(own) - sum(usable)
        )
        place = 0
        while place < len(english):
            end = place + 1 + (usable[place] and place + 1 < len(english) and usable[place + 1])
            passage = " ".join(english[place:end])
            if usable[place] and _SIZES[0] <= len(passage) <= _SIZES[1]:
                found.append((passage, " ".join(other[place:end]), f"IKEA/{groups[english[place]]}"))
            place = end
    for passage, translated, group in found:
        drawn = random.Random(passage).sample(found, min(_DRAWN, len(found)))
        words = content_words(passage)
        others = [one for one in drawn if one[2] != group and unlike(one[:1], passage) and unlike(one[1:2], translated)]
        others.sort(key=lambda one: -len(words & content_words(one[0])))
        elsewhere = tuple((english, other) for english, other, _ in others[:_OTHERS])
        yield Translated(language, passage, translated, elsewhere, group)


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.lower()))


def _partners(descriptions: list[Description]) -> dict[str, set[str]]:
    """The words of the other language that stand in the same descriptions as an English word; no frequent words."""
    alone: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
    together: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for pair in descriptions:
        english, other = (_words(" ".join(side)) for side in pair)
        alone[0].update(english)
        alone[1].update(other)
        for word in english:
            together[word].update(other)
    most = len(descriptions) * _FREQUENT
    return {
        word: {
            partner
            for partner, times in found.items()
            if times > 1 and alone[1][partner] <= most and 2 * times >= _DICE * (alone[0][word] + alone[1][partner])
        }
        for word, found in together.items()
        if alone[0][word] <= most
    }


def _fitting(english: list[str], other: list[str], partners: dict[str, set[str]]) -> list[bool]:
    """Whether each sentence goes with the one at its place: no other one of the description shares more with it."""
    said = [_words(one) for one in other]
    shares = []
    for one in english:
        known = [partners[word] for word in _words(one) if word in partners]
        shares.append([sum(not found.isdisjoint(words) for found in known) / max(1, len(known)) for words in said])
    return [
        row[place] >= _SHARED
        and row[place] == max(row)
        and all(line[place] <= row[place] for line in shares)
        and _LENGTHS[0] <= len(other[place]) / len(english[place]) <= _LENGTHS[1]
        for place, row in enumerate(shares)
    ]


IKEA = PublishedSource("IKEA", "MIT", "GitHub, sampalomad/IKEA-Dataset (Zhou et al. 2018)", read_ikea)
_translate = TaskGroup[Translated](IKEA, Capability.MULTILINGUAL, "ikea", "ikea_")
_OTHER_LANGUAGES = tuple(LANGUAGES)


def _draft(record: Translated, variables: dict[str, object], gold: object) -> Draft:
    return Draft({"language": LANGUAGES[record.language], **variables}, gold, record.group, record.language)


@_translate("machine translation", GENERATION, Metric.BLEU, _OTHER_LANGUAGES)
def _translation(record: Translated, rng: random.Random) -> Draft:  # noqa: ARG001 - as the others take it
    return _draft(record, {"text": record.english}, record.other)


@_translate("machine translation", GENERATION, Metric.BLEU, _OTHER_LANGUAGES)
def _translation_into_english(record: Translated, rng: random.Random) -> Draft:  # noqa: ARG001 - as the others
    return _draft(record, {"text": record.other}, record.english)


@_translate("cross-lingual matching", CHOICE, None, _OTHER_LANGUAGES)
def _same_text(record: Translated, rng: random.Random) -> Iterator[Draft]:
    """An English text, and four in the other language."""
    others = [other for _, other in record.elsewhere]
    if len(others) >= OPTIONS - 1:
        options, number = choices(record.other, rng.sample(others, OPTIONS - 1), rng)
        yield _draft(record, {"text": record.english, "options": options}, number)


@_translate("cross-lingual matching", CHOICE, None, _OTHER_LANGUAGES)
def _same_text_in_english(record: Translated, rng: random.Random) -> Iterator[Draft]:
    others = [english for english, _ in record.elsewhere]
    if len(others) >= OPTIONS - 1:
        options, number = choices(record.english, rng.sample(others, OPTIONS - 1), rng)
        yield _draft(record, {"text": record.other, "options": options}, number)


SOURCES = (IKEA,)
TASKS = _translate.tasks()
