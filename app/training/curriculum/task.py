"""A training task: declared once, it makes rows of a source's records."""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import Generic, TypeVar

import jinja2
from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from app.errors import InputError, SetupError
from app.tasks.registry import task_of
from app.training.row import Capability, TrainingRow
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
