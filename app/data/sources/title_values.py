"""Product titles with the attribute values that stand in them: OA-Mine and AE-110k, in three published forms.

Schemas: ExtractGPT's `input`, `category`, `target_scores` {attribute: {value: 1}} (read off its files; "n/a" says
that a value is absent); OA-Mine's own `asin`, `title`, `entities` [{startOffset, endOffset, label, value}], one file a
product type below `annotations/` (its data/README.md); AE-110k's own publish_data.txt, "title U+0001 attribute U+0001
value" a line, "NULL" for absent ones (as ExtractGPT's preparation reads it).
"""

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from app.data.row import Capability
from app.data.sources.reading import RawRow, find_tables, read_table
from app.data.tasks.lists import OPTIONS, choices
from app.data.tasks.task import CHOICE, NER, Draft, PublishedSource, TaskGroup, TrainingTask
from app.errors import InputError
from app.files import open_bytes

_ABSENT = {"n/a", "null", "none", ""}
_SEPARATOR = "\u0001"
_FIELDS_OF_LINE = 3


@dataclass(frozen=True, slots=True)
class TitleValues:
    """A title, and for each attribute the spans of the title that are its values, in the title's own letters."""

    title: str
    category: str
    values: tuple[tuple[str, tuple[str, ...]], ...]
    """(attribute, spans), by attribute; every attribute has at least one span."""


def read_extract_gpt(folder: Path, faults: Counter[str]) -> Iterator[TitleValues]:
    """The training files of ExtractGPT's form below a folder (or one file)."""
    for path in find_tables(folder, "*/train", "train"):
        for row in read_table(path, ("input", "category", "target_scores")):
            scores = row.values["target_scores"]
            if not isinstance(scores, dict) or not all(isinstance(values, dict) for values in scores.values()):
                raise row.wrong("target_scores", "attributes with their values", scores)
            pairs = ((attribute, value) for attribute, values in scores.items() for value in values)
            yield from _checked(row.text("input"), row.text("category"), pairs, "ExtractGPT", faults)


def read_oa_mine(folder: Path, faults: Counter[str]) -> Iterator[TitleValues]:
    """OA-Mine's own annotations below a folder (or one file)."""
    for path in find_tables(folder, "annotations/*", "*"):
        category = path.name.split(".")[0].replace("_", " ")
        for row in read_table(path, ("title", "entities")):
            yield from _checked(row.text("title"), category, _entities(row), "OA-Mine", faults)


def read_ae_110k(folder: Path, faults: Counter[str]) -> Iterator[TitleValues]:
    """AE-110k's own file below a folder, or the file itself. Lines of one title that stand together make one."""
    path = folder / "publish_data.txt" if folder.is_dir() else folder
    for title, lines in groupby(_lines(path, faults), key=lambda line: line[0]):
        yield from _checked(title, "", ((attribute, value) for _, attribute, value in lines), "AE-110k", faults)


def _lines(path: Path, faults: Counter[str]) -> Iterator[tuple[str, str, str]]:
    number = 0
    with open_bytes(path) as file:
        for number, line in enumerate(file, start=1):
            fields = line.decode("utf-8", "replace").rstrip("\r\n").split(_SEPARATOR)
            if len(fields) == _FIELDS_OF_LINE:
                yield fields[0], fields[1], fields[2]
            elif number == 1:
                wanted = "title, attribute and value between U+0001 marks"
                raise InputError(f"{path}, line 1: want {wanted}, found {len(fields)} field(s): {fields[0][:40]!r}")
            else:
                faults["AE-110k: a line that is not title, attribute and value, dropped"] += 1
    if not number:
        raise InputError(f"{path} holds no row; fetch it again")


def _entities(row: RawRow) -> Iterator[tuple[str, str]]:
    entities = row.values["entities"]
    if not isinstance(entities, list) or not all(isinstance(entity, dict) for entity in entities):
        raise row.wrong("entities", "a list of objects", entities)
    for number, values in enumerate(entities, start=1):
        entity = RawRow(f"{row.place}, entity {number}", values)
        yield entity.text("label"), entity.text("value")


def _checked(
    title: str, category: str, pairs: Iterable[tuple[str, str]], source: str, faults: Counter[str]
) -> Iterator[TitleValues]:
    """The title with the values that stand in it; none where no value does."""
    found: dict[str, list[str]] = {}
    for attribute, value in pairs:
        span = value.strip()
        name = " ".join(attribute.split())
        start = title.lower().find(span.lower())
        if span.lower() in _ABSENT:
            faults[f"{source}: value absent, dropped"] += 1
        elif start < 0 or len(title) != len(title.lower()):
            faults[f"{source}: value not in the title, dropped"] += 1
        elif span not in found.setdefault(name, []):
            if span not in title:
                faults[f"{source}: letters of a value taken from the title"] += 1
                span = title[start : start + len(span)]
            found[name].append(span)
    values = tuple((name, tuple(spans)) for name, spans in sorted(found.items()) if spans)
    if values:
        yield TitleValues(title, category, values)


EXTRACT_GPT = PublishedSource(
    "ExtractGPT", "Apache-2.0", "GitHub, wbsg-uni-mannheim/ExtractGPT (Brinkmann et al. 2023)", read_extract_gpt
)
OA_MINE = PublishedSource("OA-Mine", "Apache-2.0", "GitHub, xinyangz/OAMine (Zhang et al. 2022)", read_oa_mine)
AE_110K = PublishedSource("AE-110k", "none stated", "Xu et al. 2019, scaling up open tagging (ACL)", read_ae_110k)
_LONGEST_NAME = 40


def _value(record: TitleValues, rng: random.Random) -> Iterator[Draft]:
    """Each attribute of the title."""
    for attribute, spans in record.values:
        name = attribute if rng.random() < 0.5 else attribute.lower()
        yield Draft({"title": record.title, "attribute": name}, list(spans), record.title)


def _attribute(record: TitleValues, rng: random.Random) -> Iterator[Draft]:
    """One value of a title that has several, among the names of the others."""
    names = [attribute for attribute, _ in record.values if len(attribute) <= _LONGEST_NAME]
    spans = {span for _, values in record.values for span in values}
    if len(names) < 3 or len(spans) < sum(len(values) for _, values in record.values):
        return
    gold = rng.choice(names)
    others = rng.sample([name for name in names if name != gold], min(OPTIONS, len(names)) - 1)
    options, number = choices(gold, others, rng)
    span = dict(record.values)[gold][0]
    yield Draft({"title": record.title, "span": span, "options": options}, number, record.title)


def _tasks(source: PublishedSource, prefix: str) -> tuple[TrainingTask[TitleValues], ...]:
    task = TaskGroup[TitleValues](source, Capability.CONCEPT_UNDERSTANDING, "title_values", prefix)
    task("attribute value extraction", NER)(_value)
    task("entity typing and extraction", CHOICE)(_attribute)
    return task.tasks()


SOURCES = (EXTRACT_GPT, OA_MINE, AE_110K)
TASKS = (*_tasks(EXTRACT_GPT, "extract_gpt_"), *_tasks(OA_MINE, "oa_mine_"), *_tasks(AE_110K, "ae_110k_"))
