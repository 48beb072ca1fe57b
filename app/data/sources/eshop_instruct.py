"""EshopInstruct: questions in the spirit of ShopBench's development set, by task type.

Its card lists sub-tasks under Generation, Multiple-Choice, NER, Ranking, Retrieval and a mix, and says how to load it
from the hub ("suyan/EshopInstruct"); it does not name the columns. So a row may be ShopBench's own
(`input_field`, `output_field`) or the usual `instruction`, `input`, `output`; the type is that of the row's
`task_type`, else of its file or folder, else the one that the project's own routing gives.
"""

import random
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.data.row import Capability
from app.data.sources.reading import RawRow, find_tables, language_of, last_list, missing, read_table
from app.data.tasks.task import CHOICE, GENERATION, NER, RANKING, RETRIEVAL, Draft, PublishedSource, TaskGroup
from app.errors import InputError
from app.evaluation.names import Metric
from app.routing import route
from app.tasks.answers import literal
from app.tasks.registry import task_of
from app.types import Question, TaskType

_TYPES = {
    "generation": TaskType.GENERATION,
    "multiplechoice": TaskType.MULTIPLE_CHOICE,
    "mcq": TaskType.MULTIPLE_CHOICE,
    "ner": TaskType.NAMED_ENTITY_RECOGNITION,
    "namedentityrecognition": TaskType.NAMED_ENTITY_RECOGNITION,
    "ranking": TaskType.RANKING,
    "retrieval": TaskType.RETRIEVAL,
}
_RATING = re.compile(r"\b(?:scale|rate|rating|score|stars?)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class EshopQuestion:
    """A question with its type and its label in ShopBench's form."""

    task_type: TaskType
    question: str
    gold: object
    language: str


def read_eshop_instruct(folder: Path, faults: Counter[str]) -> Iterator[EshopQuestion]:
    """The rows of a folder, its folders by type, or one file."""
    for path in find_tables(folder, "*", "*/*"):
        for row in read_table(path, ()):
            question, answer = _parts(row)
            if not question.strip():
                faults["EshopInstruct: no question, dropped"] += 1
                continue
            made = _typed(row, path, question, answer)
            if made is None:
                faults["EshopInstruct: the answer is not of its type's form, dropped"] += 1
            else:
                yield made


def _parts(row: RawRow) -> tuple[str, object]:
    if "input_field" in row.values:
        if "output_field" not in row.values:
            raise missing(row.place, "output_field", row.values)
        return row.text("input_field"), row.values["output_field"]
    if "instruction" in row.values:
        if "output" not in row.values:
            raise missing(row.place, "output", row.values)
        parts = [row.text("instruction").strip(), row.text_or("input").strip()]
        return "\n".join(part for part in parts if part), row.values["output"]
    raise missing(row.place, "input_field' or 'instruction", row.values)


def _typed(row: RawRow, path: Path, question: str, answer: object) -> EshopQuestion | None:
    task_type = _type(row, path) or _guessed(question, answer)
    try:
        gold = _label(task_type, answer)
        task_of(task_type).format_target(gold)
    except InputError:
        return None
    return EshopQuestion(task_type, question, gold, language_of(question))


def _type(row: RawRow, path: Path) -> TaskType | None:
    names = [row.text_or("task_type"), path.name.split(".")[0], path.parent.name]
    plain = (re.sub(r"[^a-z]", "", name.lower()) for name in names)
    return next((_TYPES[name] for name in plain if name in _TYPES), None)


def _guessed(question: str, answer: object) -> TaskType:
    """One digit that the question lists or rates by is a choice; all else goes where the router sends it."""
    if re.fullmatch(r"\s*\d\s*", str(answer)):
        found = last_list(question)
        if (found and int(str(answer)) in found.numbers and len(found.numbers) <= 5) or _RATING.search(question):
            return TaskType.MULTIPLE_CHOICE
    return route(Question("", question)).type


def _label(task_type: TaskType, answer: object) -> object:
    """A label in ShopBench's form; a ranking's order becomes relevances that fall along it."""
    value = literal(answer.strip()) if isinstance(answer, str) else answer
    if task_type is TaskType.MULTIPLE_CHOICE:
        return int(str(answer)) if str(answer).strip().isdecimal() else answer
    if task_type is TaskType.GENERATION:
        return answer
    if task_type is TaskType.NAMED_ENTITY_RECOGNITION:
        spans = value if isinstance(value, list | tuple) else str(answer).split(",")
        return [text for span in spans if (text := str(span).strip())]
    numbers = list(value) if isinstance(value, list | tuple) else [value]
    return numbers if task_type is TaskType.RETRIEVAL else _relevances(numbers)


def _relevances(numbers: list[object]) -> list[object]:
    if sorted(map(str, numbers)) == [str(number) for number in range(1, len(numbers) + 1)]:
        order = [int(str(number)) for number in numbers]
        return [1.0 - order.index(number) / len(order) for number in range(1, len(order) + 1)]
    return [float(number) if isinstance(number, int) else number for number in numbers]


ESHOP_INSTRUCT = PublishedSource(
    "EshopInstruct", "none stated", "Hugging Face, suyan/EshopInstruct (Zhang et al. 2024)", read_eshop_instruct
)
_task = TaskGroup[EshopQuestion](ESHOP_INSTRUCT, Capability.USER_BEHAVIOUR, prefix="eshop_")


def _draft(record: EshopQuestion, rng: random.Random) -> Draft:  # noqa: ARG001 - nothing is left to chance
    return Draft({"question": record.question}, record.gold, language=record.language)


def _declare(name: str, sub_skill: str, task_type: TaskType, metric: Metric | None = None) -> None:
    concept = task_type in {NER, GENERATION}
    _task(
        sub_skill,
        task_type,
        metric,
        ("en", "de", "es", "fr", "it", "ja"),
        capability=Capability.CONCEPT_UNDERSTANDING if concept else Capability.USER_BEHAVIOUR,
        name=name,
        where=lambda record: record.task_type is task_type,
    )(_draft)


_declare("choice", "shopping questions", CHOICE)
_declare("retrieval", "product search", RETRIEVAL)
_declare("ranking", "query and product ranking", RANKING)
_declare("entities", "entity typing and extraction", NER)
_declare("text", "extraction and summarization", GENERATION, Metric.SENT_TRANSFORMER)
SOURCES = (ESHOP_INSTRUCT,)
TASKS = _task.tasks()
