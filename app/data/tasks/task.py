"""Training tasks: facts and a drafting function each, with the wordings in a YAML file of their own."""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Generic, TypeVar

import jinja2
from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import Field, TypeAdapter, ValidationError

from app.data.row import Capability, TrainingRow
from app.errors import InputError, SetupError
from app.evaluation.names import Metric
from app.settings import read_yaml
from app.tasks.registry import task_of
from app.types import TaskType

R = TypeVar("R")

CHOICE = TaskType.MULTIPLE_CHOICE
RANKING = TaskType.RANKING
RETRIEVAL = TaskType.RETRIEVAL
NER = TaskType.NAMED_ENTITY_RECOGNITION
GENERATION = TaskType.GENERATION
_METRICS = {CHOICE: Metric.ACCURACY, RANKING: Metric.NDCG, RETRIEVAL: Metric.HIT_RATE_AT_3, NER: Metric.MICRO_F1}

_environment = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
)


@dataclass(frozen=True, slots=True)
class PublishedSource:
    """A data set in the form in which it is published."""

    name: str
    """Unique; what a task's `source` says."""
    licence: str
    """Its publisher's words, such as "Apache-2.0"."""
    home: str
    """Where it is published."""
    read: Callable[[Path, Counter[str]], Iterable[object]]
    """Records of the data set's own folder, lazily and in a fixed order; the counter takes what was mended or dropped.

    Raises InputError where a file is missing or not what the data set publishes, SetupError where the disk is full or a
    library is not installed.
    """

    @property
    def folder(self) -> str:
        """Where it lies below the data folder: its name without blanks."""
        return self.name.replace(" ", "")

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


Source = PublishedSource | GeneratedSource


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


def list_draft(found: tuple[str, object], variables: Mapping[str, object], language: str = "en") -> Draft:
    """A draft over a list and its label, as the functions of `lists` draw them; in the wording it is `options`."""
    options, gold = found
    return Draft({**variables, "options": options}, gold, language=language)


Drafting = Callable[[R, random.Random], Draft | Iterable[Draft]]
"""The questions that one record gives rise to; none, where it does not serve."""


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
    """Name of its source."""
    wordings: tuple[str, ...]
    """Jinja templates over a draft's variables; a row takes one at random. Undefined variables are errors."""
    draft: Drafting[R] = field(repr=False)
    languages: tuple[str, ...] = ("en",)

    def draw(self, record: R, rng: random.Random) -> Iterable[Draft]:
        """The drafts of a record."""
        drafts = self.draft(record, rng)
        return (drafts,) if isinstance(drafts, Draft) else drafts

    def draw_rows(self, record: R, seed: int, index: int) -> Iterator[TrainingRow]:
        """The rows of the record at one place, whatever came before it; the same for the same seed.

        Raises:
            InputError: a label is not of the task type's form.
            SetupError: a wording uses a variable that the draft does not give.
        """
        rng = random.Random(f"{seed}/{self.name}/{index}")
        for draft in self.draw(record, rng):
            yield self._row(draft, rng)

    def _row(self, draft: Draft, rng: random.Random) -> TrainingRow:
        number = rng.choice(range(len(self.wordings)))
        wording = self.wordings[number]
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
            wording=number,
        )


@lru_cache(maxsize=1024)
def _compiled(wording: str) -> jinja2.Template:
    return _environment.from_string(wording)


_FOLDER = Path(__file__).parents[1] / "wordings"
_FORM = TypeAdapter(dict[str, Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]])
_AS_PUBLISHED = ("{{ question }}",)


def read_wordings(path: Path) -> dict[str, tuple[str, ...]]:
    """The templates of a file by task.

    Raises:
        SetupError: it cannot be read, has a task twice, or has one without a wording.
    """
    try:
        return _FORM.validate_python(read_yaml(path, "the wordings"))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise SetupError(f"{path}, {place or 'as a whole'}: {first['msg']}; mend the file") from error


class TaskGroup(Generic[R]):
    """Tasks over one source with a file of wordings. Called with a task's facts, it decorates the drafting function.

    The function's name, without underscores round it, is the task's key in the file, and between the group's prefix
    and suffix the task's name.
    """

    def __init__(
        self, source: Source, capability: Capability, wordings: str = "", prefix: str = "", suffix: str = ""
    ) -> None:
        """`wordings` names a file of the folder of wordings. Errors as `read_wordings`.

        Without one, the `question` of each draft is asked as it is published.
        """
        self._source = source.name
        self._capability = capability
        self._file = _FOLDER / f"{wordings}.yaml" if wordings else None
        self._wordings = read_wordings(self._file) if self._file else {}
        self._prefix = prefix
        self._suffix = suffix
        self._tasks: list[TrainingTask[R]] = []
        self._undeclared = set(self._wordings)

    def __call__(
        self,
        sub_skill: str,
        task_type: TaskType,
        metric: Metric | None = None,
        languages: tuple[str, ...] = ("en",),
        *,
        capability: Capability | None = None,
        name: str = "",
        where: Callable[[R], bool] = lambda _: True,
    ) -> Callable[[Drafting[R]], TrainingTask[R]]:
        """Declares a task. Generation tasks say their metric; only records of which `where` is true serve.

        Raises:
            SetupError: the file of wordings lacks the task.
        """

        def declare(draft: Drafting[R]) -> TrainingTask[R]:
            key = name or draft.__name__.strip("_")
            if self._file and key not in self._wordings:
                raise SetupError(f"{self._file} has no wordings for the training task {key!r}: add them")
            task: TrainingTask[R] = TrainingTask(
                name=f"{self._prefix}{key}{self._suffix}",
                capability=capability or self._capability,
                sub_skill=sub_skill,
                task_type=task_type,
                metric=(metric or _METRICS[task_type]).value,
                source=self._source,
                wordings=self._wordings.get(key, _AS_PUBLISHED),
                draft=lambda record, rng: draft(record, rng) if where(record) else (),
                languages=languages,
            )
            self._tasks.append(task)
            self._undeclared.discard(key)
            return task

        return declare

    def tasks(self) -> tuple[TrainingTask[R], ...]:
        """All that were declared, in order.

        Raises:
            SetupError: the file words a task that was not.
        """
        for key in sorted(self._undeclared):
            raise SetupError(f"{self._file} words a training task that is not declared: {key!r}; take it out")
        return tuple(self._tasks)
