"""A training task: declared once, it makes rows of a source's records."""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Generic, TypeVar

import jinja2
from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from app.data.row import Capability, TrainingRow
from app.errors import InputError, SetupError
from app.tasks.registry import task_of
from app.types import TaskType

R = TypeVar("R")

AS_PUBLISHED = ("{{ question }}",)
"""The wording of sources whose questions are already in words."""

_environment = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
)


@dataclass(frozen=True, slots=True)
class Draft:
    """A question before it is worded: the template's variables, and the label in ShopBench's form.

    multiple-choice: an index; retrieval: a list of numbers; ranking: relevances as floats, so that none is
    taken for a permutation; named_entity_recognition: a list of texts; generation: a text.
    """

    variables: Mapping[str, object]
    gold: object
    group: str = ""
    """Rows of one group stand on one side of every split; the prompt, where it is empty."""
    language: str = "en"


@dataclass(frozen=True, slots=True)
class TrainingTask(Generic[R]):
    """One task of the curriculum, over records of the type that its source's reader yields."""

    name: str
    """Unique; lower case with underscores."""
    capability: Capability
    sub_skill: str
    """ShopBench's own words, such as "entity typing and extraction"."""
    task_type: TaskType
    metric: str
    """One of the evaluation's metric names, fit for the type."""
    source: str
    """A name of the registry's table of sources."""
    wordings: tuple[str, ...]
    """Jinja templates over a draft's variables; a row takes one at random. Undefined variables are errors."""
    draw: Callable[[R, random.Random], Iterable[Draft]] = field(repr=False)
    """The questions that one record gives rise to; none, where it does not serve."""
    languages: tuple[str, ...] = ("en",)

    def rows(self, records: Iterable[R], seed: int = 0, limit: int | None = None) -> Iterator[TrainingRow]:
        """Rows of the records in order, lazily, `limit` at most; the same for the same seed.

        Raises:
            InputError: a label is not of the task type's form.
            SetupError: a wording uses a variable that `draw` does not give.
        """
        return islice(
            (row for index, record in enumerate(records) for row in self.draw_rows(record, seed, index)), limit
        )

    def draw_rows(self, record: R, seed: int, index: int) -> Iterator[TrainingRow]:
        """The rows of the record at one place, whatever came before it. Errors as `rows`."""
        rng = random.Random(f"{seed}/{self.name}/{index}")
        for draft in self.draw(record, rng):
            yield self.row(draft, rng)

    def row(self, draft: Draft, rng: random.Random) -> TrainingRow:
        """A draft in one of the task's wordings. Errors as `rows`."""
        wording = rng.choice(self.wordings)
        try:
            prompt = _compiled(wording).render(draft.variables)
            target = task_of(self.task_type).format_target(draft.gold)
        except TemplateError as error:
            raise SetupError(f"training task {self.name!r}, wording {wording[:60]!r}: {error}; mend it") from error
        except InputError as error:
            raise InputError(f"training task {self.name!r}: {error}") from error
        return TrainingRow(
            prompt=prompt,
            target=target,
            gold=draft.gold,
            task=self.name,
            task_type=self.task_type,
            metric=self.metric,
            capability=self.capability,
            sub_skill=self.sub_skill,
            source=self.source,
            group=draft.group,
            language=draft.language,
        )


@lru_cache(maxsize=1024)
def _compiled(wording: str) -> jinja2.Template:
    return _environment.from_string(wording)


OPTIONS = 4
SNIPPETS = 15
LISTED = 15


def numbered(entries: Sequence[str], first: int, rng: random.Random) -> str:
    """One entry a line, behind its number; now and then in another style than "1. "."""
    gap = ". "
    if not any(entry[0].isdigit() for entry in entries) and rng.random() < 0.15:
        gap = rng.choice((".", ") ", ".  "))
    return "\n".join(f"{number}{gap}{entry}" for number, entry in enumerate(entries, first))


def choices(gold: str, others: Sequence[str], rng: random.Random) -> tuple[str, int]:
    """The gold answer among the others, counted from 0, and its number."""
    entries = [gold, *others]
    rng.shuffle(entries)
    return numbered(entries, 0, rng), entries.index(gold)


def selection(gold: Sequence[str], others: Sequence[str], rng: random.Random, first: int = 1) -> tuple[str, list[int]]:
    """A list that holds the gold entries, and their numbers, ascending."""
    entries = [*gold, *others]
    rng.shuffle(entries)
    return numbered(entries, first, rng), sorted(first + entries.index(one) for one in gold)


def graded(entries: Sequence[tuple[str, float]], rng: random.Random) -> tuple[str, list[float]]:
    """A list counted from 1, and the entries' relevances in its order, as floats."""
    shuffled = list(entries)
    rng.shuffle(shuffled)
    return numbered([text for text, _ in shuffled], 1, rng), [float(relevance) for _, relevance in shuffled]


def distinct(texts: Sequence[str], count: int) -> list[str]:
    """The first `count` different texts; fewer where there are not so many."""
    return list(dict.fromkeys(texts))[:count]


@dataclass(frozen=True, slots=True)
class PublishedSource:
    """A data set in the form in which it is published."""

    name: str
    """Unique; what a task's `source` says."""
    licence: str
    """Its publisher's words, such as "Apache-2.0"."""
    home: str
    """Where it is published."""
    folder: str
    """Where it lies below the data folder."""
    read: Callable[[Path, Counter[str]], Iterable[object]]
    """Records of the data set's own folder, lazily and in a fixed order; the counter takes what was mended or dropped.

    Raises InputError where a file is not what the data set publishes.
    """

    def present(self, data: Path) -> bool:
        """Whether a data folder holds it."""
        return (data / self.folder).exists()


@dataclass(frozen=True, slots=True)
class GeneratedSource:
    """Something made here: endless, and the same for the same seed. Each row is drawn from the whole of it."""

    name: str
    licence: str
    make: Callable[[int], object]
    """The source of a seed; cheap, as it makes its parts when they are asked for."""

    def present(self, data: Path) -> bool:  # noqa: ARG002 - as a published one answers
        """Always."""
        return True


Source = PublishedSource | GeneratedSource
