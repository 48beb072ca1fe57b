"""What `shopbench compare A B` writes: the shape of `comparison.json`. B is judged against A."""

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from app.evaluation.schema import Interval, Provenance
from app.types import TaskType


class Verdict(StrEnum):
    """What the samples say about B against A."""

    ROSE = "rose"
    FELL = "fell"
    UNDECIDED = "cannot be told apart"


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Side(_Closed):
    """One of the two evaluations."""

    name: str
    """The report's folder."""
    created: datetime
    provenance: Provenance


class TaskComparison(_Closed):
    """One task on the samples that both sides have and could score."""

    task_type: TaskType
    track: str
    metric: str
    n: int
    score_a: float
    score_b: float
    delta: float
    """score_b - score_a."""
    interval: Interval | None
    """Of the delta, by paired bootstrap; None for a single sample, or where all samples changed alike."""
    better: int
    """Samples on which B scored higher."""
    worse: int
    p_bootstrap: float | None
    """Two-sided; None for a single sample."""
    p_mcnemar: float | None
    """Two-sided and exact; accuracy only."""
    test: Literal["mcnemar", "paired bootstrap"]
    """Which of the two decides."""
    p_value: float
    p_adjusted: float
    """Benjamini-Hochberg over the tasks."""
    verdict: Verdict
    """By `p_adjusted` against the comparison's `alpha`."""


class GroupComparison(_Closed):
    """A mean over tasks or tracks; tests of groups are not adjusted."""

    title: str
    n_tasks: int
    score_a: float
    score_b: float
    delta: float
    interval: Interval | None
    p_value: float
    verdict: Verdict


class SampleChange(_Closed):
    """A sample on which the two sides scored differently."""

    id: str
    task_name: str
    prompt: str
    answer_a: str
    answer_b: str
    gold: object
    score_a: float
    score_b: float


class Comparison(_Closed):
    """`comparison.json`."""

    schema_version: Literal[1] = 1
    created: datetime
    a: Side
    b: Side
    alpha: float
    """False-discovery rate over tasks; for groups, the level of one test."""
    n: int
    """Samples compared."""
    tasks: dict[str, TaskComparison]
    tracks: dict[str, GroupComparison]
    """By the data's own track string."""
    mean_over_tasks: GroupComparison
    mean_over_tracks: GroupComparison
    changes: list[SampleChange]
    """Largest differences first."""
    notes: list[str] = Field(default_factory=list)
    """What was left out, one line each: unpaired samples, samples without a score, differing data."""
