"""Training tasks of Amazon-M2: what comes next in a session, in English and, apart, in five other languages."""

import random
from collections.abc import Callable, Iterable, Iterator

from app.data.row import Capability
from app.data.sources.amazon_m2 import Session
from app.data.tasks.task import LISTED, OPTIONS, Draft, TrainingTask, choices, selection
from app.evaluate.names import Metric
from app.types import TaskType

_SHOWN = 6
"""The last products of a session; longer ones say little more and fill the context."""

NEXT_CHOICE = (
    "A user of an online shop looked at these products in turn:\n{{ session }}\nWhich product comes next?\n"
    "{{ options }}\nAnswer:",
    "Choose the product that the user most likely looks at after this session.\nSession:\n{{ session }}\nOptions:\n"
    "{{ options }}\nAnswer:",
)
NEXT_LIST = (
    "You see which products a user of an online shop clicked on, in order. Select three products of the numbered list"
    " that the user most likely clicks on next. Output three numbers, separated by commas.\nSession:\n{{ session }}\n"
    "Product List:\n{{ list }}\nOutput:",
    "Click history:\n{{ session }}\nFrom the numbered list below, choose the three products that fit best as the next"
    " click and give their numbers between commas. Do not explain.\nProduct List:\n{{ list }}\nOutput:",
)


def _choice(record: Session, rng: random.Random) -> Iterator[Draft]:
    others = record.others()[: OPTIONS - 1]
    if len(others) == OPTIONS - 1:
        options, number = choices(record.next, others, rng)
        yield _draft(record, {"options": options}, number)


def _list(record: Session, rng: random.Random) -> Iterator[Draft]:
    others = record.others()[: LISTED - 1]
    if len(others) == LISTED - 1:
        listed, numbers = selection([record.next], others, rng)
        yield _draft(record, {"list": listed}, numbers)


def _draft(record: Session, variables: dict[str, object], gold: object) -> Draft:
    shown = "\n".join(f"- {title}" for title in record.previous[-_SHOWN:])
    return Draft({"session": shown, **variables}, gold, language=record.language)


_Draw = Callable[[Session, random.Random], Iterable[Draft]]


def _of_languages(draw: _Draw, languages: tuple[str, ...]) -> _Draw:
    return lambda record, rng: draw(record, rng) if record.language in languages else ()


def _tasks(suffix: str, capability: Capability, languages: tuple[str, ...]) -> Iterator[TrainingTask[Session]]:
    for name, task_type, metric, wordings, draw in (
        ("choice", TaskType.MULTIPLE_CHOICE, Metric.ACCURACY, NEXT_CHOICE, _choice),
        ("list", TaskType.RETRIEVAL, Metric.HIT_RATE_AT_3, NEXT_LIST, _list),
    ):
        yield TrainingTask(
            f"m2_next_{name}{suffix}",
            capability,
            "session-based recommendation",
            task_type,
            metric.value,
            "Amazon-M2",
            wordings,
            _of_languages(draw, languages),
            languages,
        )


SESSION_TASKS: tuple[TrainingTask[Session], ...] = (
    *_tasks("", Capability.USER_BEHAVIOUR, ("en",)),
    *_tasks("_languages", Capability.MULTILINGUAL, ("de", "ja", "es", "fr", "it")),
)
