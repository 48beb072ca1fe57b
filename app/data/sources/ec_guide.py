"""EC-Guide: questions in ShopBench's form, one JSON array a sub-task.

Schema: `input_field`, `output_field`, `task_type`, `metric`, read off the published files; the folder is the
kind (Generation, MCQ, NER, Retrieval) and the file's name the sub-task (EC-Guide, KDD Cup 2024, ZJU-AI4H).
"""

import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from app.data.row import Capability
from app.data.sources.reading import (
    ENGLISH,
    RawRow,
    find_tables,
    language_of,
    last_list,
    read_table,
    without,
)
from app.data.tasks.task import CHOICE, GENERATION, NER, RANKING, RETRIEVAL, Draft, PublishedSource, TaskGroup
from app.evaluation.names import Metric
from app.tasks.answers import literal
from app.tasks.generation import Generation
from app.tasks.multiple_choice import MultipleChoice
from app.types import Question, TaskType

FIELDS = ("input_field", "output_field", "task_type", "metric")
SELECTED = 3
"""The evaluator reads the first three numbers of a retrieval answer."""
_ANSWER = re.compile(r"therefore,? the (?:correct )?answer is:? *\(?(\d)\)?\b", re.IGNORECASE)
_STEPS = re.compile(r"\s*Let's think step by step\.?\s*$", re.IGNORECASE)
_CALCULATION = re.compile(r"<<[^<>\n]*>>")
_HASHES = re.compile(r"\s*\n#### *(-?[\d,.]+)\s*$")
_ECHO = re.compile(r"^(?:Question|Instructions?|Input):.*?\bOutput: *", re.DOTALL)
_NARROWING = re.compile(r"(?m)^(\s*\d\. *)narrowing[ \t]*$")
_OPENS_LINE = re.compile(r"(?m)^[ \t]*(\d{1,2})\. ")
_SEVERAL_LANGUAGES = frozenset({"PKS", "MDM", "NER"})
_YES_NO = {"yes", "no"}
_CODES = {"English": "en", "German": "de", "French": "fr", "Spanish": "es", "Italian": "it", "Japanese": "ja"}


@dataclass(frozen=True, slots=True)
class Instruction:
    """A question in ShopBench's form with its label."""

    sub_task: str
    """EC-Guide's own short name, such as "PRP"."""
    task_type: TaskType
    question: str
    gold: object
    group: str
    """The same for all questions about one thing, such as a sum asked with and without its solution."""
    language: str


def read_ec_guide(folder: Path, faults: Counter[str]) -> Iterator[Instruction]:
    """The sub-tasks of a folder (or one file), mended; `faults` counts what was mended or dropped, by sub-task."""
    for path in find_tables(folder, "*/*", "*"):
        for row in read_table(path, FIELDS):
            yield from _mended(path.name.split(".")[0], row, faults)


Tell = Callable[[str], None]
"""Counts what was mended or dropped."""


def _mended(sub_task: str, row: RawRow, faults: Counter[str]) -> Iterator[Instruction]:
    def tell(fault: str) -> None:
        faults[f"EC-Guide {sub_task}: {fault}"] += 1

    question, kind = row.text("input_field"), row.text("task_type")
    gold = _unlisted(row, tell)
    if kind not in set(TaskType):
        raise row.wrong("task_type", f"one of {', '.join(TaskType)}", kind)
    if str(gold).strip().lower() in _YES_NO and row.text("metric") == "bool":
        tell("yes or no, dropped")
        return
    read = Instruction(sub_task, TaskType(kind), question, gold, "", _language(sub_task, question))
    for made in _BY_TYPE[read.task_type](read, row, tell):
        yield replace(made, group=f"{sub_task}/{_STEPS.sub('', made.question).strip()}")


def _unlisted(row: RawRow, tell: Tell) -> object:
    """The label; a list that is written as text is read."""
    given = row.values["output_field"]
    if isinstance(given, str) and row.text("task_type") != TaskType.GENERATION:
        listed = literal(given.strip())
        if isinstance(listed, list):
            tell("a list in text, read")
            return listed
    if isinstance(given, str | int | list) and not isinstance(given, bool):
        return given
    raise row.wrong("output_field", "a text, a number or a list", given)


def _choice(read: Instruction, row: RawRow, tell: Tell) -> Iterator[Instruction]:
    label = str(read.gold).strip()
    if not label.isdecimal():
        raise row.wrong("output_field", "the number of an option", read.gold)
    gold, question = int(label), read.question
    numbers = _numbers(question)
    found = last_list(question) if numbers and (gold not in numbers or numbers != list(range(len(numbers)))) else None
    if found and found.numbers == (0, 1, 3):
        # labels are places already (0, 1, 2); a 3 would mean the entry of that number
        question, gold = without(question, found, set()), min(gold, 2)
        tell("options 0, 1, 3 renumbered")
    elif found and str(gold) not in MultipleChoice().read(Question("", question, is_multiple_choice=True)).labels:
        tell("the gold option is not offered, dropped")
        return
    if _NARROWING.search(question):
        # shares of the labels are those of ESCI's exact, substitute, complement and irrelevant
        question = _NARROWING.sub(r"\g<1>exact match", question)
        tell("'narrowing' of a product renamed 'exact match'")
    yield replace(read, question=question, gold=gold)


def _numbers(question: str) -> list[int]:
    """The numbers that open lines, from the last 0 on: a cheap look at what the options may be."""
    found = [int(number) for number in _OPENS_LINE.findall(question)]
    return found[len(found) - 1 - found[::-1].index(0) :] if 0 in found else []


def _selection(read: Instruction, row: RawRow, tell: Tell) -> Iterator[Instruction]:
    values = read.gold if isinstance(read.gold, list) else [read.gold]
    if not all(str(value).strip().isdecimal() for value in values):
        raise row.wrong("output_field", "a list of numbers", read.gold)
    gold = [int(str(value)) for value in values]
    found = last_list(read.question)
    if not gold or found is None or not set(gold) <= set(found.numbers):
        tell("the gold numbers are not listed, dropped")
        return
    if len(gold) <= SELECTED:
        yield replace(read, gold=gold)
        return
    tell("relevant entries beyond three taken out of the list")
    gold = sorted(gold)
    surplus = set(gold[SELECTED:])
    kept = [number for number in found.numbers if number not in surplus]
    first = found.numbers[0]
    yield replace(
        read,
        question=without(read.question, found, surplus),
        gold=[first + kept.index(number) for number in gold[:SELECTED]],
    )


def _relevances(read: Instruction, row: RawRow, tell: Tell) -> Iterator[Instruction]:  # noqa: ARG001 - as the others
    values = read.gold if isinstance(read.gold, list) else []
    if not values or not all(isinstance(value, int | float) for value in values):
        raise row.wrong("output_field", "a list of relevances", read.gold)
    yield replace(read, gold=[float(value) for value in values])


def _entities(read: Instruction, row: RawRow, tell: Tell) -> Iterator[Instruction]:
    values = read.gold if isinstance(read.gold, list) else [read.gold]
    if not all(isinstance(value, str) for value in values):
        raise row.wrong("output_field", "a list of texts", read.gold)
    spans = [str(value).strip() for value in values]
    if not all(spans):
        tell("no entity, dropped")
        return
    if spans != values:
        tell("blanks round an entity taken off")
    yield replace(read, gold=spans)


def _text(read: Instruction, row: RawRow, tell: Tell) -> Iterator[Instruction]:
    if not isinstance(read.gold, str):
        raise row.wrong("output_field", "a text", read.gold)
    text = read.gold.strip()
    if read.sub_task == "ACR":
        yield from _worked(read, text, tell)
        return
    if _ECHO.match(text):
        text = _ECHO.sub("", text)
        tell("the question repeated in the answer, taken off")
    if read.sub_task == "MT" and "\n" in text:
        text = " ".join(text.split())
        tell("lines of a title joined")
    if not text:
        tell("no answer, dropped")
        return
    yield replace(read, gold=text)


def _worked(read: Instruction, text: str, tell: Tell) -> Iterator[Instruction]:
    """A worked solution as it is, without the calculator's notes; and the choice that it ends in, as a choice."""
    if _CALCULATION.search(text):
        text = _CALCULATION.sub("", text)
        tell("calculator's notes taken off")
    if _HASHES.search(text):
        text = _HASHES.sub(r"\nTherefore, the answer is \1.", text)
        tell("'#### n' put in words")
    yield replace(read, gold=text)
    answers = _ANSWER.findall(text)
    question = _STEPS.sub(" ", read.question)
    found = last_list(question)
    if _STEPS.search(read.question) and answers and found and int(answers[-1]) in found.numbers:
        tell("a choice made of a worked solution")
        yield replace(read, task_type=TaskType.MULTIPLE_CHOICE, question=question, gold=int(answers[-1]))


def _language(sub_task: str, question: str) -> str:
    """The language asked for by a translation; that of the product's text where a sub-task has several."""
    if sub_task == "MT":
        return _CODES[Generation().read(Question("", question)).variables["language"]]
    if sub_task not in _SEVERAL_LANGUAGES:
        return ENGLISH
    # The longest line or quoted stretch is the product's own text, not the instruction.
    lines = [line for line in question.splitlines()[1:] if line.strip()] or question.split("'")
    return language_of(max(lines, key=len, default=""))


_BY_TYPE = {
    TaskType.MULTIPLE_CHOICE: _choice,
    TaskType.RETRIEVAL: _selection,
    TaskType.RANKING: _relevances,
    TaskType.NAMED_ENTITY_RECOGNITION: _entities,
    TaskType.GENERATION: _text,
}


EC_GUIDE = PublishedSource("EC-Guide", "Apache-2.0", "its authors (ZJU-AI4H, KDD Cup 2024)", read_ec_guide)


_CONCEPTS, _KNOWLEDGE = Capability.CONCEPT_UNDERSTANDING, Capability.KNOWLEDGE_REASONING
_BEHAVIOUR, _MULTILINGUAL = Capability.USER_BEHAVIOUR, Capability.MULTILINGUAL
_SUMMARIES = "extraction and summarization"
_SIMILARITY = Metric.SENT_TRANSFORMER
_ALL = ("en", "de", "es", "fr", "it", "ja")
_ENGLISH, _OTHERS = _ALL[:1], _ALL[1:]
_group = TaskGroup[Instruction](EC_GUIDE, _CONCEPTS, prefix="ec_guide_")


def _draft(record: Instruction, rng: random.Random) -> Draft:  # noqa: ARG001 - nothing is left to chance
    return Draft({"question": record.question}, record.gold, record.group, record.language)


def _task(
    name: str,
    sub_task: str,
    capability: Capability,
    sub_skill: str,
    task_type: TaskType,
    metric: Metric | None = None,
    languages: tuple[str, ...] = (),
) -> None:
    """A task over a sub-task's rows of one type; any sub-task's, where none is named.

    `languages` choose among the rows; where none are given, the sub-task's rows are taken as they come.
    """

    def serves(record: Instruction) -> bool:
        wanted = record.task_type is task_type and sub_task in {record.sub_task, ""}
        return wanted and (not languages or record.language in languages)

    _group(sub_skill, task_type, metric, languages or _ENGLISH, capability=capability, name=name, where=serves)(_draft)


_task("categories", "CR", _CONCEPTS, "category classification", GENERATION, _SIMILARITY)
_task("elaboration", "PE", _CONCEPTS, "concept normalization and elaboration", GENERATION, _SIMILARITY)
_task("outfit_reason", "EPF", _CONCEPTS, "attribute explanation", GENERATION, _SIMILARITY)
_task("characteristics", "EPK", _CONCEPTS, _SUMMARIES, GENERATION, _SIMILARITY)
_task("review_keyphrase", "ERK", _CONCEPTS, "aspect keyphrase extraction", GENERATION, Metric.ROUGE_L)
_task("keywords", "PKS", _CONCEPTS, _SUMMARIES, GENERATION, _SIMILARITY, _ENGLISH)
_task("keyword_set", "PKS", _CONCEPTS, _SUMMARIES, CHOICE, None, _ENGLISH)
_task("attribute_of_product", "SAP", _CONCEPTS, "attribute value inference", CHOICE)
_task("product_with_attribute", "SPA", _CONCEPTS, "applicable attribute", CHOICE)
_task("entities", "NER", _CONCEPTS, "entity typing and extraction", NER)
_task("review_aspects", "RRA", _CONCEPTS, "review aspect identification", RETRIEVAL)
_task("review_snippets", "RRS", _CONCEPTS, "review snippet selection", RETRIEVAL)
_task("category_products", "PR", _CONCEPTS, "category classification", RETRIEVAL)
_task("reasoning_choice", "ACR", _KNOWLEDGE, "numeric and commonsense reasoning", CHOICE)
_task("reasoning_worked", "ACR", _KNOWLEDGE, "numeric reasoning", GENERATION, _SIMILARITY)
_task("product_relation", "PRP", _BEHAVIOUR, "product relation", CHOICE)
_task("query_product_relation", "QPRP", _BEHAVIOUR, "query and product relation", CHOICE)
_task("rating", "SA", _BEHAVIOUR, "review rating", CHOICE)
_task("bought_together_reason", "EBT", _BEHAVIOUR, "purchase intention", GENERATION, _SIMILARITY)
_task("product_answer", "PQA", _BEHAVIOUR, "product question answering", GENERATION, _SIMILARITY)
_task("ranking", "", _BEHAVIOUR, "query and product ranking", RANKING)
_task("translation", "MT", _MULTILINGUAL, "title translation", GENERATION, Metric.BLEU, _ALL[:5])
_task("translation_japanese", "MT", _MULTILINGUAL, "title translation", GENERATION, Metric.JP_BLEU, ("ja",))
_task("description_match", "MDM", _MULTILINGUAL, "description matching", CHOICE, None, _ALL)
_task("keyword_set_languages", "PKS", _MULTILINGUAL, "keyword selection", CHOICE, None, _OTHERS)
_task("keywords_languages", "PKS", _MULTILINGUAL, _SUMMARIES, GENERATION, Metric.MULTILINGUAL_SENT_TRANSFORMER, _OTHERS)
SOURCES = (EC_GUIDE,)
TASKS = _group.tasks()
"""QPRJ has none: it answers yes or no, and is dropped. Copies of the set without its ranking files give no ranking."""
