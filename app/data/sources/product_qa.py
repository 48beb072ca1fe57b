"""Contextual product questions (ePQA, hetPQA, semiPQA): what customers ask, and what on the page answers it.

Schemas, read off the published files, quoted CSV with commas or tabs: ePQA `qid`, `question`, `ASIN`, `candidate`,
`source`, `title`, `label` (2 answers, 1 helps, 0 neither), `answer`; hetPQA's evidence_ranking and semiPQA's
attribute_ranking `qid`, `question`, `candidate`, `label` (0 or 1); hetPQA's answer_generation `ASIN`, `question`,
`candidate`, `answer`, `source`; semiPQA's data-to-text `data`, `text`. A question's rows stand together. Attributes are
written as `attributes` reads them.
"""

import random
import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from app.data.row import Capability
from app.data.sources.attributes import Attribute, are_related, read_attribute
from app.data.sources.reading import RawRow, find_tables, one_line, read_table
from app.data.tasks.lists import OPTIONS, choices, content_words, graded, selection, unlike
from app.data.tasks.task import CHOICE, GENERATION, RANKING, RETRIEVAL, Draft, PublishedSource, TaskGroup
from app.evaluation.names import Metric

ANSWERS, HELPS, NEITHER = 2, 1, 0
_ASKED = " Question: "
"""Between a customer's answer and the question that it was given to."""
_ELSEWHERE = "OSP"
"""hetPQA's source for guides on the shop's other pages, which speak of several products."""
_MARKS = re.compile(r"[\\|](?=[\"'])")
"""Left before quotation marks by some export."""
_NUMBER = re.compile(r"\d*\.?\d+")
_NEGATION = re.compile(r"\b(?:no|not|none|never|without|cannot|\w+n't)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Passage:
    """A text of a product's page, or an attribute in words, with what it does for a question."""

    text: str
    use: int
    """`ANSWERS`, `HELPS` or `NEITHER`."""
    answer: str = ""
    """What a reader made of it."""


@dataclass(frozen=True, slots=True)
class ProductQuestion:
    """A customer's question with passages, all of them texts or all of them attributes."""

    question: str
    title: str
    """The product's; empty where the set does not say."""
    passages: tuple[Passage, ...]
    graded: bool
    """Whether the passages that help are told from those that answer and from the rest."""
    attributes: bool
    group: str

    def of_use(self, use: int) -> list[Passage]:
        """The passages of a use."""
        return [passage for passage in self.passages if passage.use == use]


@dataclass(frozen=True, slots=True)
class AttributeSentence:
    """An attribute, in words and as the set writes it, and a sentence that says the same."""

    attribute: str
    notation: str
    sentence: str


Record = ProductQuestion | AttributeSentence


def read_product_qa(folder: Path, faults: Counter[str]) -> Iterator[Record]:
    """The training and development files of a folder with the three sets, or of one file."""
    patterns = ("ePQA/*", "hetPQA/*/*", "semiPQA/*/*")
    for path in find_tables(folder, *(f"{pattern}{split}" for pattern in patterns for split in ("train", "dev"))):
        rows = read_table(path, ())
        for first, group in groupby(rows, key=_key):
            if first.startswith("data/"):
                yield from _sentences(group, faults)
            else:
                yield from _questions(list(group), faults)


def _key(row: RawRow) -> str:
    """What rows of one record share."""
    if "data" in row.values:
        return "data/"
    return row.text("qid") if "qid" in row.values else f"{row.text('ASIN')}/{row.text('question')}"


def _sentences(rows: Iterator[RawRow], faults: Counter[str]) -> Iterator[AttributeSentence]:
    for row in rows:
        attribute, sentence = read_attribute(row.text("data")), one_line(row.text("text"))
        if attribute is None:
            faults["semiPQA: an attribute that cannot be read, dropped"] += 1
        elif not _numbers(sentence) <= _numbers(attribute.text):
            faults["semiPQA: a sentence with a number that the attribute lacks, dropped"] += 1
        else:
            yield AttributeSentence(attribute.text, one_line(row.text("data")), _capital(sentence))


def _questions(rows: list[RawRow], faults: Counter[str]) -> Iterator[ProductQuestion]:
    first = rows[0]
    question = one_line(first.text("question"))
    levels = "title" in first.values
    texts: dict[str, Passage] = {}
    attributes: dict[str, Passage] = {}
    for row in rows:
        use = ANSWERS
        if "label" in row.values:
            use = row.whole("label") * (1 if levels else ANSWERS)
            if use not in {ANSWERS, HELPS, NEITHER}:
                raise row.wrong("label", "0, 1 or, in ePQA, 2", row.text("label"))
        if "label" in row.values and row.text_or("source") == _ELSEWHERE:
            faults["hetPQA: a label for a passage on several products, left out"] += 1
            continue
        candidate = row.text("candidate")
        attribute = read_attribute(candidate)
        if attribute is None and row.text_or("source", "attribute") == "attribute":
            faults["product questions: an attribute that cannot be read, dropped"] += 1
            continue
        text = attribute.text if attribute else _worded(candidate)
        answer = _checked(_MARKS.sub("", one_line(row.text_or("answer"))), question, text, attribute, faults)
        known = (attributes if attribute else texts).setdefault(text, Passage(text, use, answer))
        if known.use != use:
            faults["product questions: one passage with two labels, the first kept"] += 1
    product = first.text_or("ASIN")
    for passages, are_attributes in ((texts, False), (attributes, True)):
        if passages:
            yield ProductQuestion(
                question, one_line(first.text_or("title")), tuple(passages.values()), levels, are_attributes,
                f"product question/{product or question}",
            )  # fmt: skip


def _worded(candidate: str) -> str:
    """A passage; another customer's answer with the question that it was given to."""
    answer, asked, question = candidate.partition(_ASKED)
    text = f"{one_line(answer)} (asked: {one_line(question)})" if asked else one_line(candidate)
    return _MARKS.sub("", text)


def _checked(answer: str, question: str, passage: str, attribute: Attribute | None, faults: Counter[str]) -> str:
    """The answer, or none where the passage does not bear it out."""
    if answer and not _numbers(answer) <= _numbers(question) | _numbers(passage):
        faults["product questions: an answer with a number that nothing on the page has, dropped"] += 1
        return ""
    if answer and attribute and attribute.flag is not None and attribute.flag == bool(_NEGATION.search(answer)):
        faults["product questions: an answer that denies a yes or affirms a no, dropped"] += 1
        return ""
    return _capital(answer)


def _numbers(text: str) -> set[float]:
    return {float(number) for number in _NUMBER.findall(text)}


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


PRODUCT_QA = PublishedSource(
    "contextual-product-qa",
    "CDLA-Sharing-1.0",
    "GitHub, amazon-science/contextual-product-qa (Shen et al. 2022, 2023)",
    read_product_qa,
)
_asked = TaskGroup[Any](PRODUCT_QA, Capability.KNOWLEDGE_REASONING, "product_qa", "product_qa_")
"""Each task is over one of the two kinds of records."""
_USES = {
    ANSWERS: "The passage answers the question.",
    HELPS: "The passage has to do with the question and helps, but leaves it open.",
    NEITHER: "The passage does not help with the question.",
}
_RELEVANCES = {ANSWERS: 1.0, HELPS: 0.3, NEITHER: 0.0}
_LONGEST = 300
"""Characters of a passage in a list; a longer one is in none, as the part that answers might be cut."""
_LONGEST_ALONE = 1000
_SHORT = 160
_RANKED = 5
_SELECTED = 3
_LISTED = 7
"""Fewest entries to select three from."""
_ANSWERED = 3
"""Answers of one question that are learnt."""


def _has_texts(record: Record) -> bool:
    return isinstance(record, ProductQuestion) and not record.attributes


def _has_attributes(record: Record) -> bool:
    return isinstance(record, ProductQuestion) and record.attributes


def _apart(record: ProductQuestion, *known: str) -> list[str]:
    """Attributes that say nothing of what is asked or known: labels of near relations are noise."""
    told = set().union(*map(content_words, (record.question, *known)))
    return [
        one.text
        for one in _short(record.of_use(NEITHER))
        if not content_words(one.text) & told and not any(are_related(one.text, other) for other in known)
    ]


def _short(passages: Collection[Passage]) -> list[Passage]:
    return [passage for passage in passages if len(passage.text) <= _LONGEST]


def _others(record: ProductQuestion) -> list[str]:
    """Short passages that do not answer, nor say nearly what an answering one says."""
    others = [one.text for one in _short(record.of_use(NEITHER))]
    return unlike(others, *(one.text for one in record.of_use(ANSWERS)))


def _draft(record: ProductQuestion, variables: dict[str, object], gold: object) -> Draft:
    return Draft({"question": record.question, "title": record.title, **variables}, gold, record.group)


@_asked("product question answering", CHOICE, where=_has_texts)
def _passage_use(record: ProductQuestion, rng: random.Random) -> Iterator[Draft]:
    """A passage of a use that is drawn first, so that the three come as often as they can."""
    uses = sorted({passage.use for passage in record.passages})
    if record.graded and len(uses) > 1:
        use = rng.choice(uses)
        passage = rng.choice(record.of_use(use))
        if len(passage.text) <= _LONGEST_ALONE:
            options, number = choices(_USES[use], [text for one, text in _USES.items() if one != use], rng)
            yield _draft(record, {"passage": passage.text, "options": options}, number)


@_asked("product question answering", CHOICE, where=_has_texts)
def _answering_passage(record: ProductQuestion, rng: random.Random) -> Iterator[Draft]:
    answering = _short(record.of_use(ANSWERS))
    if answering:
        gold = rng.choice(answering)
        others = _others(record)
        if len(others) >= OPTIONS - 1:
            options, number = choices(gold.text, rng.sample(others, OPTIONS - 1), rng)
            yield _draft(record, {"options": options}, number)


@_asked("product question answering", CHOICE, where=_has_attributes)
def _answering_attribute(record: ProductQuestion, rng: random.Random) -> Iterator[Draft]:
    answering = _short(record.of_use(ANSWERS))
    if len(answering) == 1:
        others = _apart(record, answering[0].text)
        if len(others) >= OPTIONS - 1:
            options, number = choices(answering[0].text, rng.sample(others, OPTIONS - 1), rng)
            yield _draft(record, {"options": options}, number)


@_asked("product question answering", RETRIEVAL, where=_has_texts)
def _answering_passages(record: ProductQuestion, rng: random.Random) -> Iterator[Draft]:
    answering = _short(record.of_use(ANSWERS))
    others = _others(record)
    if len(answering) >= _SELECTED and _SELECTED + len(others) >= _LISTED:
        listed, numbers = selection([one.text for one in rng.sample(answering, _SELECTED)], others, rng)
        yield _draft(record, {"list": listed}, numbers)


@_asked("product question answering", RANKING, where=_has_texts)
def _passage_ranking(record: ProductQuestion, rng: random.Random) -> Iterator[Draft]:
    """Five passages of two uses at least: one of each first, then whatever comes."""
    others = _others(record)
    passages = [one for one in _short(record.passages) if one.use != NEITHER or one.text in others]
    rng.shuffle(passages)
    firsts = list({passage.use: passage for passage in passages}.values())
    chosen = [*firsts, *(passage for passage in passages if passage not in firsts)][:_RANKED]
    if len(firsts) > 1 and len(chosen) == _RANKED and any(one.use == ANSWERS for one in firsts):
        listed, relevances = graded([(one.text, _RELEVANCES[one.use]) for one in chosen], rng)
        yield _draft(record, {"list": listed}, relevances)


@_asked("product question answering", RANKING, where=_has_attributes)
def _attribute_ranking(record: ProductQuestion, rng: random.Random) -> Iterator[Draft]:
    answering = [one.text for one in _short(record.of_use(ANSWERS))]
    others = _apart(record, *answering)
    if answering and len(answering) + len(others) >= _RANKED:
        entries = [(text, 1.0) for text in answering] + [(text, 0.0) for text in rng.sample(others, len(others))]
        listed, relevances = graded(entries[:_RANKED], rng)
        yield _draft(record, {"list": listed}, relevances)


@_asked(
    "product question answering", GENERATION, Metric.ROUGE_L, where=lambda record: isinstance(record, ProductQuestion)
)
def _answer(record: ProductQuestion, rng: random.Random) -> Iterator[Draft]:
    answered = [one for one in record.passages if one.answer and len(one.text) <= _LONGEST_ALONE]
    for passage in rng.sample(answered, min(_ANSWERED, len(answered))):
        yield _draft(record, {"passage": passage.text}, passage.answer)


@_asked(
    "attribute verbalization", GENERATION, Metric.ROUGE_L, where=lambda record: isinstance(record, AttributeSentence)
)
def _attribute_sentence(record: AttributeSentence, rng: random.Random) -> Draft:
    """The attribute in words, or as the set writes it."""
    shown = record.notation if len(record.notation) <= _SHORT and rng.random() < 0.3 else record.attribute
    return Draft({"attribute": shown}, record.sentence, f"attribute/{record.attribute.lower()}")


SOURCES = (PRODUCT_QA,)
TASKS = _asked.tasks()
