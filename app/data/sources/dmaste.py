"""DMASTE: reviews with what they judge, the words that judge it, and whether these praise or complain.

Schema, a review a line: `text####[([aspect], [opinion], 'POS'|'NEG'|'NEU'), ...]####sub-domain`, tokens between blanks;
an aspect and an opinion are the place of a token, or of the first and the last, from 0, and an aspect of [-1] is not
named (dataset/Readme.md of NJUNLP/DMASTE). A folder below `dataset` is a domain.
"""

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from app.data.row import Capability
from app.data.tasks.lists import choices, selection
from app.data.tasks.task import CHOICE, GENERATION, NER, RETRIEVAL, Draft, PublishedSource, TaskGroup
from app.errors import InputError
from app.evaluation.names import Metric
from app.files import open_bytes
from app.tasks.answers import literal

POLARITIES = {"POS": "positive", "NEG": "negative", "NEU": "neutral"}
BLOCK = 20
"""Reviews of one domain that stand together and share a group, so that lists can be made of several of them."""
GENERAL = 3
"""Reviews of a file in which an aspect is general: "price" may be meant where it is not named, so it is never wrong."""
_FIELDS = 3
_SPAN = (1, 2)
_ENDS = re.compile(r"^[.!?;]|^but$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Opinion:
    """A judgment, in the review's own words."""

    aspect: str
    """Empty where it is not named."""
    words: str
    polarity: str
    """POS, NEG or NEU."""
    snippet: str
    """The sentence that it stands in, where all that is judged there is judged alike, else empty."""


@dataclass(frozen=True, slots=True)
class JudgedReview:
    """A review of a product, with blanks as people write them, and its judgments in order."""

    text: str
    domain: str
    """Such as "Musical Instruments"."""
    opinions: tuple[Opinion, ...]
    group: str
    other_aspects: tuple[str, ...] = ()
    """Aspects of the block's other reviews that this one does not speak of."""
    block: "tuple[JudgedReview, ...]" = ()
    """All reviews of the block, in its first one alone."""

    def aspects(self) -> list[str]:
        """The named ones, each once, in lower case."""
        return list(dict.fromkeys(one.aspect.lower() for one in self.opinions if one.aspect))


def read_dmaste(folder: Path, faults: Counter[str]) -> Iterator[JudgedReview]:
    """The reviews of a folder's domains (or of one file). A file, a few hundred KB, is held whole for its blocks."""
    paths = (
        [folder]
        if folder.is_file()
        else sorted([*folder.glob("dataset/*/train.txt"), *folder.glob("dataset/*/dev.txt")])
    )
    if not paths:
        raise InputError(f"no dataset/*/train.txt or dev.txt in {folder}: put the published files there")
    for path in paths:
        reviews = list(_reviews(path, faults))
        frequent = Counter(aspect for review in reviews for aspect in review.aspects())
        general = {stem for aspect, times in frequent.items() if times >= GENERAL for stem in _stems(aspect)}
        for start in range(0, len(reviews), BLOCK):
            group = f"DMASTE/{path.parent.name}/{path.stem}/{start}"
            block = tuple(replace(review, group=group) for review in reviews[start : start + BLOCK])
            named = [one for review in block for one in review.aspects() if general.isdisjoint(_stems(one))]
            for number, review in enumerate(block):
                heard = _stems(review.text)
                others = (one for one in dict.fromkeys(named) if heard.isdisjoint(_stems(one)))
                yield replace(review, other_aspects=tuple(others), block=() if number else block)


_STEM = 4
"""Letters of a word that tell whether it is spoken of: "packaging" where a review has "package"."""


def _stems(text: str) -> set[str]:
    return {word[:_STEM] for word in re.findall(r"[^\W\d_]{3,}", text.lower())}


def _reviews(path: Path, faults: Counter[str]) -> Iterator[JudgedReview]:
    number = 0
    with open_bytes(path) as file:
        for number, line in enumerate(file, start=1):
            fields = line.decode("utf-8", "replace").rstrip("\r\n").split("####")
            triples = literal(fields[1]) if len(fields) == _FIELDS else None
            if not isinstance(triples, list) or not all(_is_triple(one) for one in triples):
                wanted = "want text, a list of (aspect, opinion, polarity) and the sub-domain between ####"
                raise InputError(f"{path}, line {number}: {wanted}, found {fields[0][:40]!r}")
            tokens = fields[0].split(" ")
            inside = [one for one in triples if max(*one[0], *one[1]) < len(tokens)]
            if len(inside) < len(triples):
                faults["DMASTE: an opinion beyond the end of its review, left out"] += len(triples) - len(inside)
            if inside:
                yield _review(tokens, inside, fields[2].strip().replace("_", " "))
            else:
                faults["DMASTE: a review without an opinion, dropped"] += 1
    if not number:
        raise InputError(f"{path} holds no row; fetch it again")


Triple = tuple[list[int], list[int], str]


def _is_triple(value: object) -> bool:
    return (
        isinstance(value, tuple)
        and len(value) == _FIELDS
        and all(
            isinstance(span, list) and len(span) in _SPAN and all(isinstance(place, int) for place in span)
            for span in value[:2]
        )
        and value[2] in POLARITIES
    )


def _review(tokens: list[str], triples: Sequence[Triple], domain: str) -> JudgedReview:
    text, starts = _joined(tokens)

    def words(span: Sequence[int]) -> str:
        first, last = span[0], span[-1]
        return text[starts[first] : starts[last] + len(tokens[last])] if 0 <= first <= last else ""

    judged = []
    for aspect, opinion, polarity in triples:
        first, last = (
            min(opinion[0], *(place for place in aspect if place >= 0), opinion[0]),
            max(opinion[-1], aspect[-1]),
        )
        first, last = _sentence(tokens, first, last)
        within = {one[2] for one in triples if first <= one[1][0] <= last}
        judged.append(
            Opinion(words(aspect), words(opinion), polarity, words([first, last]) if len(within) == 1 else "")
        )
    return JudgedReview(text, domain, tuple(judged), "")


def _sentence(tokens: Sequence[str], first: int, last: int) -> tuple[int, int]:
    """The first and the last token round these two, up to the marks that end a sentence, and to "but"."""
    while first > 0 and not _ENDS.match(tokens[first - 1]):
        first -= 1
    while last + 1 < len(tokens) and not _ENDS.match(tokens[last + 1]):
        last += 1
    return first, last


_CLOSES = re.compile(r"[.,!?;:%)\]…]|['’](?:t|s|ve|m|re|ll|d)$|[-/]\w", re.IGNORECASE)
"""Tokens that stand close to the one before."""
_OPENS = frozenset("([$#/")


def _joined(tokens: Sequence[str]) -> tuple[str, list[int]]:
    """The text, with blanks where people write them, and where in it each token begins."""
    text = ""
    starts = []
    last, quoting = "", False
    for word in tokens:
        inches = word == '"' and not quoting and last.isdecimal()
        closes = inches or (word == '"' and quoting) or _CLOSES.match(word)
        if text and not closes and last not in _OPENS and not (last == '"' and quoting):
            text += " "
        if word.count('"') == 1 and not inches:
            quoting = not quoting
        starts.append(len(text))
        text += word
        last = word
    return text, starts


DMASTE = PublishedSource("DMASTE", "MIT", "GitHub, NJUNLP/DMASTE (Xu et al. 2023)", read_dmaste)
_judgment = TaskGroup[JudgedReview](DMASTE, Capability.CONCEPT_UNDERSTANDING, "dmaste", "dmaste_")
_SELECTED, _LISTED = 3, 10
_PRAISED = 0.5
"""Of the reviews that only praise, how many are asked for a sentiment: four in five opinions are praise."""
_LONGEST_ASPECT = 3
_EXTRACTED_FROM = 400
"""Characters of a review whose aspects are all to be found."""
_LONGEST_OPINION = 8
_SNIPPET = (3, 20)
"""Words."""
_LISTS = 3


def _unquotable(text: str) -> bool:
    return bool(set(text) & set(",\"“”'’"))


@_judgment("review sentiment", CHOICE)
def _sentiment(record: JudgedReview, rng: random.Random) -> Iterator[Draft]:
    """Aspects that the review judges in one way; one of each polarity."""
    polarities: defaultdict[str, set[str]] = defaultdict(set)
    for one in record.opinions:
        if one.aspect:
            polarities[one.aspect.lower()].add(one.polarity)
    for polarity, name in POLARITIES.items():
        aspects = [aspect for aspect, found in polarities.items() if found == {polarity}]
        if aspects and (polarity != "POS" or rng.random() < _PRAISED):
            options, number = choices(name, [other for other in POLARITIES.values() if other != name], rng)
            variables = {"review": record.text, "aspect": rng.choice(aspects), "options": options}
            yield Draft(variables, number, record.group)


@_judgment("review aspect identification", RETRIEVAL)
def _covered(record: JudgedReview, rng: random.Random) -> Iterator[Draft]:
    """Three aspects that the review names among seven of other reviews."""
    short = [one for one in record.aspects() if _stems(one) and len(one.split()) <= _LONGEST_ASPECT]
    named = [one for one in short if not any(one in other for other in short if other != one)]
    others = [one for one in record.other_aspects if _stems(one) and len(one.split()) <= _LONGEST_ASPECT]
    if len(named) >= _SELECTED and len(others) >= _LISTED - _SELECTED:
        listed, numbers = selection(rng.sample(named, _SELECTED), rng.sample(others, _LISTED - _SELECTED), rng)
        yield Draft({"review": record.text, "list": listed}, numbers, record.group)


@_judgment("review snippet selection", RETRIEVAL, capability=Capability.USER_BEHAVIOUR)
def _complaints(record: JudgedReview, rng: random.Random) -> Iterator[Draft]:
    """Three sentences that complain among seven that praise, all from reviews of one block."""
    snippets: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for one in (opinion for review in record.block for opinion in review.opinions):
        if _SNIPPET[0] <= len(one.snippet.split()) <= _SNIPPET[1]:
            snippets[one.polarity][one.snippet.rstrip(" ,-")] = None
    bad, good = list(snippets["NEG"]), list(snippets["POS"])
    for _ in range(min(_LISTS, len(bad) // _SELECTED)):
        if len(good) >= _LISTED - _SELECTED:
            listed, numbers = selection(rng.sample(bad, _SELECTED), rng.sample(good, _LISTED - _SELECTED), rng)
            yield Draft({"list": listed}, numbers, record.group)


@_judgment("aspect extraction", NER)
def _aspects(record: JudgedReview, rng: random.Random) -> Iterator[Draft]:  # noqa: ARG001 - as the others take it
    spans = list(dict.fromkeys(one.aspect for one in record.opinions if one.aspect))
    once = len({span.lower() for span in spans}) == len(spans)
    if spans and once and len(record.text) <= _EXTRACTED_FROM and not any(map(_unquotable, spans)):
        yield Draft({"review": record.text}, spans, record.group)


@_judgment("aspect keyphrase extraction", GENERATION, Metric.ROUGE_L)
def _opinion(record: JudgedReview, rng: random.Random) -> Iterator[Draft]:
    """Aspects that the review names once and judges once, in a few words; two at most, phrases before single words."""
    names = Counter(one.aspect.lower() for one in record.opinions)
    asked = [
        one
        for one in record.opinions
        if one.aspect
        and names[one.aspect.lower()] == 1
        and record.text.lower().count(one.aspect.lower()) == 1
        and len(one.words.split()) <= _LONGEST_OPINION
    ]
    rng.shuffle(asked)
    for one in sorted(asked, key=lambda one: " " not in one.words)[:2]:
        yield Draft({"review": record.text, "aspect": one.aspect}, one.words, record.group)


SOURCES = (DMASTE,)
TASKS = _judgment.tasks()
