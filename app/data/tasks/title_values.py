"""Training tasks of titles with annotated attribute values: ExtractGPT's files, OA-Mine and AE-110k."""

import random
from collections.abc import Iterator

from app.data.row import Capability
from app.data.sources.title_values import TitleValues
from app.data.tasks.task import OPTIONS, Draft, TrainingTask, choices
from app.evaluate.names import Metric
from app.types import TaskType

_LONGEST_NAME = 40

EXTRACTION = (
    "Extract the phrases of the title that correspond to the entity type '{{ attribute }}'. Separate several by a"
    " comma and give no explanation.\nTitle: {{ title }}\nOutput:",
    "Find the '{{ attribute }}' in the following product title: '{{ title }}'.",
    "You help an online shop to describe its products. Copy from the product title the phrase that is the entity"
    " {{ attribute }}.\nProduct title: {{ title }}\nAnswer:",
    "Product title: {{ title }}\nEntity type: {{ attribute }}\nWhich words of the title are of this entity type? Copy"
    " them as they stand.\nOutput:",
    "Identify the entity of type '{{ attribute }}' in this listing and write it down unchanged.\nTitle: {{ title }}\n"
    "Entity:",
    "From the product title '{{ title }}', pick out the value of the attribute '{{ attribute }}'.",
)
NAMING = (
    "In the product title '{{ title }}', what does the phrase '{{ span }}' tell about the product?\n{{ options }}\n"
    "Answer:",
    "Product title: {{ title }}\nWhich attribute has the value '{{ span }}'?\n{{ options }}\nAnswer:",
    "Choose the attribute that '{{ span }}' stands for in this listing.\nTitle: {{ title }}\n{{ options }}\n"
    "Output the number only:",
)


def _extract(record: TitleValues, rng: random.Random) -> Iterator[Draft]:
    """Each attribute of the title."""
    for attribute, spans in record.values:
        name = attribute if rng.random() < 0.5 else attribute.lower()
        yield Draft({"title": record.title, "attribute": name}, list(spans), record.title)


def _name(record: TitleValues, rng: random.Random) -> Iterator[Draft]:
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


def _tasks(prefix: str, source: str) -> Iterator[TrainingTask[TitleValues]]:
    yield TrainingTask(
        f"{prefix}_value",
        Capability.CONCEPT_UNDERSTANDING,
        "attribute value extraction",
        TaskType.NAMED_ENTITY_RECOGNITION,
        Metric.MICRO_F1.value,
        source,
        EXTRACTION,
        _extract,
    )
    yield TrainingTask(
        f"{prefix}_attribute",
        Capability.CONCEPT_UNDERSTANDING,
        "entity typing and extraction",
        TaskType.MULTIPLE_CHOICE,
        Metric.ACCURACY.value,
        source,
        NAMING,
        _name,
    )


TITLE_TASKS: tuple[TrainingTask[TitleValues], ...] = (
    *_tasks("extract_gpt", "ExtractGPT"),
    *_tasks("oa_mine", "OA-Mine"),
    *_tasks("ae_110k", "AE-110k"),
)
