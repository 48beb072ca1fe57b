"""ECInstruct: ten e-commerce tasks as instruction, input, options and output.

Schema: `split`, `task`, `setting`, `instruction`, `input`, `options`, `output`, one JSON array (dataset.json) or the
hub's "NingLab/ECInstruct", as the set's own programs read it (ninglab/eCeLLM, inference.py and data_processing/).
Input is an object in text, a Python list in text, or plain text; options are a list in text, lettered from A.
"""

import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from app.data.row import Capability
from app.data.sources.reading import RawRow, find_tables, one_line, read_table
from app.data.tasks.lists import numbered
from app.data.tasks.task import CHOICE, GENERATION, NER, RANKING, RETRIEVAL, Draft, PublishedSource, TaskGroup
from app.evaluation.names import Metric
from app.tasks.answers import literal

FIELDS = ("split", "task", "setting", "instruction", "input", "options", "output")
SETTING = "IND_Diverse_Instruction"
"""The other settings repeat its rows in other words."""
_NAMES = (
    "Attribute_Value_Extraction", "Product_Relation_Prediction", "Product_Matching", "Sentiment_Analysis",
    "Sequential_Recommendation", "Multiclass_Product_Classification", "Product_Substitute_Identification",
    "Query_Product_Rank", "Answerability_Prediction", "Answer_Generation",
)  # fmt: skip
_SPELLINGS = {
    "Product_Relation_Predicition": "Product_Relation_Prediction",
    "Product_Substitue_Identification": "Product_Substitute_Identification",
    "Query_Product_Ranking": "Query_Product_Rank",
}
"""As the set's own programs also write them."""


@dataclass(frozen=True, slots=True)
class Exercise:
    """A row with its parts read."""

    task: str
    """One of `_NAMES`."""
    text: str
    """The input where it is plain text, else empty."""
    fields: Mapping[str, object]
    """The input where it is an object, by field without the colon some names end in."""
    listed: tuple[str, ...]
    """The input where it is a list, without "1st: "."""
    options: tuple[str, ...]
    """Without their letters, in order."""
    output: str

    def field(self, name: str) -> str:
        """A field of the input as text; lists joined by spaces; empty where it is absent."""
        value = self.fields.get(name, "")
        return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)

    @property
    def letter(self) -> int:
        """The option that the output names, from 0; -1 where it names none."""
        first = self.output.strip()[:1]
        place = ord(first) - ord("A") if first.isascii() and first.isupper() else -1
        return place if place < len(self.options) else -1


def read_ec_instruct(folder: Path, faults: Counter[str]) -> Iterator[Exercise]:
    """The training rows of the set's own setting, from a folder or one file."""
    for path in find_tables(folder, "dataset*", "train*"):
        for row in read_table(path, FIELDS):
            task = _SPELLINGS.get(row.text("task"), row.text("task"))
            if task not in _NAMES:
                raise row.wrong("task", f"one of {', '.join(_NAMES)}", task)
            if row.text("split") != "train":
                faults["ECInstruct: not of the training split, left out"] += 1
            elif row.text("setting") != SETTING:
                faults[f"ECInstruct: not of the setting {SETTING}, left out"] += 1
            else:
                yield _exercise(task, row)


def _exercise(task: str, row: RawRow) -> Exercise:
    given = row.values["input"]
    value = _parsed(given) if isinstance(given, str) else given
    options = row.values["options"]
    listed = _parsed(options) if isinstance(options, str) and options.strip() else options or None
    if not isinstance(listed, list | tuple | None):
        raise row.wrong("options", "a list or null", options)
    return Exercise(
        task=task,
        text=str(given) if not isinstance(value, dict | list | tuple) else "",
        fields={str(key).rstrip(": "): one for key, one in value.items()} if isinstance(value, dict) else {},
        listed=tuple(_unlabelled(one) for one in value) if isinstance(value, list | tuple) else (),
        options=tuple(_unlabelled(one) for one in listed or ()),
        output=row.text("output").strip(),
    )


def _parsed(text: str) -> object:
    """What a text is written for: JSON, else a Python literal, else itself."""
    stripped = text.strip()
    if stripped[:1] not in {"{", "["}:
        return text
    try:
        value: object = json.loads(stripped)
    except ValueError:
        value = literal(stripped)
    return text if value is None else value


def _unlabelled(entry: object) -> str:
    """An entry without its label ("A: ", "3rd: ")."""
    label, colon, rest = str(entry).partition(": ")
    return rest.strip() if colon and len(label) <= len("100th") and " " not in label else str(entry).strip()


EC_INSTRUCT = PublishedSource(
    "ECInstruct", "CC-BY-4.0", "Hugging Face, NingLab/ECInstruct (Peng et al. 2024)", read_ec_instruct
)
_task = TaskGroup[Exercise](EC_INSTRUCT, Capability.USER_BEHAVIOUR, "ec_instruct", "ec_instruct_")
_DOCUMENT = 1500
_HISTORY = 6
_UNKNOWN = {"", "nan", "none"}
_LETTER = re.compile(r"[A-Z]")


def _of(task: str) -> Callable[[Exercise], bool]:
    return lambda record: record.task == task


def _pairs(output: str) -> list[dict[str, object]]:
    try:
        listed = json.loads(output)
    except ValueError:
        return []
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []


def _pair(record: Exercise) -> dict[str, object]:
    """Two products, whatever their fields are called ("Product 1", "product 1")."""
    parts = [_product(value) for value in record.fields.values()][:2]
    return {"first": parts[0], "second": parts[1]} if len(parts) == 2 and all(parts) else {}


def _product(value: object) -> str:
    """A title, or a title with what else is known: "kettle; manufacturer: Norvik; price: 19.99"."""
    if not isinstance(value, dict):
        return one_line(str(value))
    known = {name: text for name, one in value.items() if (text := one_line(str(one))).lower() not in _UNKNOWN}
    title = known.pop("title", "")
    return "; ".join([title, *(f"{name}: {text}" for name, text in known.items())]) if title else ""


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else []


def _question(record: Exercise) -> dict[str, object]:
    question, document = record.field("question"), record.field("document")
    return {"question": one_line(question), "document": one_line(document)[:_DOCUMENT]} if question and document else {}


def _choice(record: Exercise, variables: dict[str, object], rng: random.Random) -> Iterator[Draft]:
    """The published options in their order, counted from 0."""
    if variables and record.letter >= 0:
        yield Draft({**variables, "options": numbered(record.options, 0, rng)}, record.letter)


def _yes_no(record: Exercise, variables: dict[str, object], rng: random.Random) -> Iterator[Draft]:
    """Yes or no as two options, in a drawn order."""
    said = record.output.lower().rstrip(".")
    if variables and said in {"yes", "no"}:
        words = ["yes", "no"]
        rng.shuffle(words)
        yield Draft({**variables, "options": numbered(words, 0, rng)}, words.index(said))


@_task(
    "attribute value extraction",
    NER,
    capability=Capability.CONCEPT_UNDERSTANDING,
    where=_of("Attribute_Value_Extraction"),
)
def _value(record: Exercise, rng: random.Random) -> Iterator[Draft]:
    """Attributes whose value stands in the title, in the title's letters (the set writes values in lower case)."""
    title = record.field("product title")
    found: dict[str, list[str]] = {}
    for one in _pairs(record.output):
        value, attribute = str(one.get("value", "")), str(one.get("attribute", ""))
        start = title.lower().find(value.lower())
        if value not in {"", "None"} and attribute and start >= 0 and len(title) == len(title.lower()):
            found.setdefault(attribute, []).append(title[start : start + len(value)])
    for attribute, values in sorted(found.items()):
        spans = list(dict.fromkeys(value.strip() for value in values))
        rng.shuffle(spans)
        yield Draft({"title": title, "attribute": attribute}, spans, title)


@_task("product relation", CHOICE, where=_of("Product_Relation_Prediction"))
def _relation(record: Exercise, rng: random.Random) -> Iterator[Draft]:
    yield from _choice(record, _pair(record), rng)


@_task("product matching", CHOICE, capability=Capability.CONCEPT_UNDERSTANDING, where=_of("Product_Matching"))
def _match(record: Exercise, rng: random.Random) -> Iterator[Draft]:
    yield from _yes_no(record, _pair(record), rng)


@_task("review rating", CHOICE, where=_of("Sentiment_Analysis"))
def _sentiment(record: Exercise, rng: random.Random) -> Iterator[Draft]:
    yield from _choice(record, {"review": one_line(record.text)}, rng)


@_task("session-based recommendation", RETRIEVAL, where=_of("Sequential_Recommendation"))
def _next(record: Exercise, rng: random.Random) -> Iterator[Draft]:
    """The published list of twenty, counted from 1."""
    if record.listed and record.letter >= 0:
        history = "\n".join(f"- {title}" for title in record.listed[-_HISTORY:])
        yield Draft({"history": history, "list": numbered(record.options, 1, rng)}, [record.letter + 1])


@_task("query and product relation", CHOICE, where=_of("Multiclass_Product_Classification"))
def _class(record: Exercise, rng: random.Random) -> Iterator[Draft]:
    query, product = record.field("query"), record.field("product title")
    yield from _choice(record, {"query": query, "product": product} if query and product else {}, rng)


@_task("query and product relation", CHOICE, where=_of("Product_Substitute_Identification"))
def _substitute(record: Exercise, rng: random.Random) -> Iterator[Draft]:
    query, product = record.field("query"), record.field("product") or record.field("product title")
    yield from _yes_no(record, {"query": query, "product": product} if query and product else {}, rng)


@_task("query and product ranking", RANKING, where=_of("Query_Product_Rank"))
def _ranking(record: Exercise, rng: random.Random) -> Iterator[Draft]:
    """The published order, as relevances that fall along it: each product has a label of its own."""
    titles = [entry.partition(": ")[2] for entry in map(str, _list(record.fields.get("product list")))]
    order = [ord(letter) - ord("A") for letter in _LETTER.findall(record.output)]
    if len(titles) > 1 and all(titles) and sorted(order) == list(range(len(titles))):
        relevances = [1 - order.index(place) / len(order) for place in range(len(titles))]
        yield Draft({"query": record.field("query"), "list": numbered(titles, 1, rng)}, relevances)


@_task("product question answering", CHOICE, where=_of("Answerability_Prediction"))
def _answerable(record: Exercise, rng: random.Random) -> Iterator[Draft]:
    yield from _yes_no(record, _question(record), rng)


@_task("product question answering", GENERATION, Metric.SENT_TRANSFORMER, where=_of("Answer_Generation"))
def _answer(record: Exercise, rng: random.Random) -> Iterator[Draft]:  # noqa: ARG001 - as the others take it
    asked = _question(record)
    if asked and record.output:
        yield Draft(asked, record.output, str(asked["question"]))


SOURCES = (EC_INSTRUCT,)
TASKS = _task.tasks()
