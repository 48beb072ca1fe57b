"""Settings of a mixture: one YAML file, unknown keys refused."""

import math
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveInt, ValidationError, model_validator

from app.data.row import Capability
from app.errors import SetupError
from app.settings import explain, read_yaml, unknown
from app.types import TaskType


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceSettings(_Settings):
    """Where a source's rows come from, and how many are drawn."""

    folder: Path | None = None
    """Holds a published data set, or names one on the hub ("hf:owner/name"); by default its own folder in `data`."""
    file: Path | None = None
    """Rows made elsewhere, as `shopbench data generate` writes them; then the source's name is free."""
    licence: str | None = None
    """Of `file`."""
    rows: PositiveInt | None = None
    """At most so many rows of each task, before cleaning. A generated source needs it."""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.file and self.folder:
            raise ValueError("give a file or a folder, not both")
        if bool(self.file) != bool(self.licence):
            raise ValueError("a file of rows needs a licence, and nothing else has one")
        return self


class TaskSelection(_Settings):
    """Tasks by name or pattern (`*`, `?`, `[...]`)."""

    include: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()


class CapabilityLevel(_Settings):
    """How rows are shared out among capabilities: in proportion to weight x rows^(1/temperature)."""

    temperature: float = Field(default=1.0, ge=1)
    """1: as many as there are; .inf: as the weights alone say."""
    weights: dict[Capability, NonNegativeFloat] = {}
    """1 where nothing is said."""


class TaskTypeLevel(_Settings):
    """The same among the task types of a capability."""

    temperature: float = Field(default=1.0, ge=1)
    weights: dict[TaskType, NonNegativeFloat] = {}


class TaskLevel(_Settings):
    """The same among the tasks of one type in one capability."""

    temperature: float = Field(default=1.0, ge=1)
    weights: dict[str, NonNegativeFloat] = {}
    """By name or pattern; the first that fits counts."""


class MixSettings(_Settings):
    """How many rows of what."""

    total: PositiveInt | None = None
    """Rows of all splits together; without it, every clean row within the caps."""
    cap: PositiveInt | None = None
    """At most so many rows of a task, over all splits."""
    caps: dict[str, PositiveInt] = {}
    """The same for some tasks, by name or pattern; the first that fits counts."""
    max_repeats: PositiveInt = 1
    """How often one row may stand in train.jsonl to reach the total. In the other files it stands once."""
    capability: CapabilityLevel = CapabilityLevel()
    task_type: TaskTypeLevel = TaskTypeLevel()
    task: TaskLevel = TaskLevel()

    @model_validator(mode="after")
    def _total_for_weights(self) -> Self:
        levels = (self.capability, self.task_type, self.task)
        if self.total is None and any(level.weights or level.temperature != 1 for level in levels):
            raise ValueError("weights and temperatures share out a total: set mix.total")
        if self.total is None and self.max_repeats > 1:
            raise ValueError("rows are repeated to reach a total: set mix.total")
        return self


class SplitSettings(_Settings):
    """Fractions of the groups of rows, and of the total."""

    train: float = Field(default=0.9, gt=0, le=1)
    validation: float = Field(default=0.05, ge=0, lt=1)
    test: float = Field(default=0.05, ge=0, lt=1)

    @model_validator(mode="after")
    def _sum(self) -> Self:
        if not math.isclose(sum(self.fractions), 1):
            raise ValueError(f"train, validation and test must add up to 1, not {sum(self.fractions):g}")
        return self

    @property
    def fractions(self) -> tuple[float, ...]:
        """In the order of `SPLITS`."""
        return self.train, self.validation, self.test


class NearDuplicateSettings(_Settings):
    """When two rows of a task with the same answer are nearly the same."""

    threshold: float = Field(default=0.8, gt=0, le=1)
    """Jaccard similarity of their contents' shingles."""
    permutations: int = Field(default=128, ge=16, le=1024)
    """Hashes of a signature."""


class OverlapSettings(_Settings):
    """When a row has too much of an evaluation prompt."""

    shared_shingles: PositiveInt = 8
    containment: float = Field(default=0.5, gt=0, le=1)


class MixtureSettings(_Settings):
    """Everything that a mixture depends on, besides the data."""

    seed: int = 0
    data: Path
    """Holds the folders of the published data sets."""
    sources: dict[str, SourceSettings] = Field(min_length=1)
    tasks: TaskSelection = TaskSelection()
    mix: MixSettings = MixSettings()
    splits: SplitSettings = SplitSettings()
    evaluation_files: tuple[Path, ...]
    """What the model will be judged by; files or folders. An empty list has to be written."""
    near_duplicates: NearDuplicateSettings = NearDuplicateSettings()
    overlap: OverlapSettings = OverlapSettings()
    tokenizer: str | None = None
    """A checkpoint, by folder or hub name, with whose tokenizer tokens are counted."""


def load_mixture(path: Path) -> MixtureSettings:
    """Read the YAML file.

    Raises:
        SetupError: the file is missing, is not YAML, or holds an unknown or bad setting.
    """
    values = read_yaml(path, "the mixture")
    try:
        return MixtureSettings.model_validate(values)
    except ValidationError as error:
        raise SetupError(f"{path}: {_explained(error)}") from error


def _explained(error: ValidationError) -> str:
    first = error.errors()[0]
    if first["type"] == "enum":
        names = [one.value for one in (Capability if "capability" in first["loc"] else TaskType)]
        return f"{'.'.join(map(str, first['loc'][:-2]))}: {unknown(str(first['input']), names)}"
    if first["type"] == "extra_forbidden":
        where = ".".join(map(str, first["loc"][:-1]))
        reason = unknown(str(first["loc"][-1]), _siblings(first["loc"][:-1]))
        return f"{where}: {reason}" if where else reason
    return explain(error, ())


def _siblings(place: tuple[int | str, ...]) -> list[str]:
    """The settings that can stand at a place of the file."""
    model: type[BaseModel] = MixtureSettings
    for name in place:
        if name == "sources":
            return list(SourceSettings.model_fields)
        annotation = model.model_fields[str(name)].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        model = annotation
    return list(model.model_fields)


T = TypeVar("T")


def fits(name: str, patterns: Iterable[str]) -> bool:
    """Whether a name is one of the patterns or fits one."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def first_fit(name: str, table: Mapping[str, T], otherwise: T) -> T:
    """What the first pattern that fits says."""
    return next((value for pattern, value in table.items() if fnmatchcase(name, pattern)), otherwise)


def refuse_unknown(where: str, patterns: Iterable[str], names: Collection[str]) -> None:
    """Refuse a pattern that fits none of the names.

    Raises:
        SetupError: there is one; the message has the nearest names.
    """
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            near = get_close_matches(pattern, names, n=3)
            hint = f"near: {', '.join(map(repr, near))}" if near else "see: shopbench data list"
            raise SetupError(f"{where}: no task of these sources is named or fits {pattern!r}; {hint}")
