"""Settings of a mixture: one YAML file, unknown keys refused."""

import math
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import ClassVar, Generic, Self, TypeVar

from pydantic import Field, NonNegativeFloat, PositiveInt, model_validator

from app.data.row import Capability
from app.errors import SetupError
from app.settings import StrictSettings
from app.types import TaskType

K = TypeVar("K")
T = TypeVar("T")


class SourceSettings(StrictSettings):
    """Where a source's rows come from, and how many are drawn."""

    folder: Path | None = None
    """Holds a published data set, or names one on the hub ("hf:owner/name"); by default its own folder in `data`."""
    file: Path | None = None
    """Rows of one's own, in any form that `app.data.own` knows, or as `shopbench data generate` writes them; then the
    source's name is free."""
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


class TaskSelection(StrictSettings):
    """Tasks by name or pattern (`*`, `?`, `[...]`)."""

    include: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()


class Level(StrictSettings, Generic[K]):
    """How rows are shared out among the parts of a level: in proportion to weight x rows^(1/temperature)."""

    temperature: float = Field(default=1.0, ge=1)
    """1: as many as there are; .inf: as the weights alone say."""
    weights: dict[K, NonNegativeFloat] = Field(default_factory=dict)
    """1 where nothing is said. Tasks by name or pattern; the first that fits counts."""


class MixSettings(StrictSettings):
    """How many rows of what."""

    total: PositiveInt | None = None
    """Rows of all splits together; without it, every clean row within the caps."""
    cap: PositiveInt | None = None
    """At most so many rows of a task, over all splits."""
    caps: dict[str, PositiveInt] = Field(default_factory=dict)
    """The same for some tasks, by name or pattern; the first that fits counts."""
    max_repeats: PositiveInt = 1
    """How often one row may stand in train.jsonl to reach the total. In the other files it stands once."""
    capability: Level[Capability] = Level[Capability]()
    task_type: Level[TaskType] = Level[TaskType]()
    """Within a capability."""
    task: Level[str] = Level[str]()
    """Within a type of a capability."""

    @model_validator(mode="after")
    def _total_for_weights(self) -> Self:
        levels = (self.capability, self.task_type, self.task)
        if self.total is None and any(level.weights or level.temperature != 1 for level in levels):
            raise ValueError("weights and temperatures share out a total: set mix.total")
        if self.total is None and self.max_repeats > 1:
            raise ValueError("rows are repeated to reach a total: set mix.total")
        return self


class SplitSettings(StrictSettings):
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


class NearDuplicateSettings(StrictSettings):
    """When two rows of a task with the same answer are nearly the same."""

    threshold: float = Field(default=0.8, gt=0, le=1)
    """Jaccard similarity of their contents' shingles."""
    permutations: int = Field(default=128, ge=16, le=1024)
    """Hashes of a signature."""


class OverlapSettings(StrictSettings):
    """When a row has too much of an evaluation prompt."""

    shared_shingles: PositiveInt = 8
    containment: float = Field(default=0.5, gt=0, le=1)


class MixtureSettings(StrictSettings):
    """Everything that a mixture depends on, besides the data."""

    called: ClassVar[str] = "the mixture"

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
