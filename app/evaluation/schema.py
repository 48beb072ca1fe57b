"""What an evaluation writes: the shapes of `report.json` and of a line of `samples.jsonl`.

Scores, probabilities and interval ends are fractions from 0 to 1. A figure that could not be computed is
None and comes with a reason; it is never 0.
"""

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from app.errors import InputError
from app.types import Outcome, TaskType

SCHEMA_VERSION: Literal[1] = 1

Scalar = str | int | float | bool | None


class Record(BaseModel):
    """What is kept as JSON. Unknown keys are refused, so that a renamed field cannot be read as a missing one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def from_file(cls, path: Path, missing: str, fix: str) -> Self:
        """What a file holds.

        Raises:
            InputError: it cannot be read, which is told as `missing`, or is of another version, with the `fix`.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise InputError(f"{missing}: cannot read {path} ({error.strerror})") from error
        except ValueError as error:
            raise InputError(f"{path} is not of this version: {fix}") from error


class Interval(Record):
    """A confidence interval; `level` is its nominal coverage."""

    low: float
    high: float
    level: float = 0.95
    method: Literal["wilson", "bootstrap", "pooled bootstrap", "stratified bootstrap"]

    def __str__(self) -> str:
        return f"{self.low:.3f} to {self.high:.3f}"


class Baselines(Record):
    """What an answer without understanding scores on the same samples; None where it has no meaning."""

    random: float | None
    """Expected score of a uniformly random legal answer."""
    majority: float | None
    """Score of the answer that is commonest over other samples' labels: `EvalReport.majority_from` says whose."""


class TaskScore(Record):
    """One task, scored over the samples that could be scored."""

    task_type: TaskType
    track: str
    metric: str
    """The metric of the samples; several, where a task mixes them, are joined by ' + '."""
    n: int
    """Samples that were scored."""
    score: float | None
    interval: Interval | None
    """Wilson's for accuracy, and where all samples score the same; None, but for accuracy, for a single sample."""
    not_scored: int = 0
    """Samples without a score; `not_scored_reason` says why."""
    not_scored_reason: str | None = None
    baselines: Baselines


class GroupScore(Record):
    """The mean over the scored tasks of a group."""

    tasks: list[str]
    score: float | None
    interval: Interval | None
    baselines: Baselines


class TrackScore(GroupScore):
    """The mean over a track's scored tasks."""

    name: str
    """The track's title, for people."""
    number: int | None
    """1 to 4, or None for a track that the competition does not know."""


class Overall(Record):
    """The two figures for a whole file."""

    mean_over_tasks: float | None
    """What the organisers' evaluation script prints: the mean over all tasks, whatever their track."""
    mean_over_tasks_interval: Interval | None
    mean_over_tracks: float | None
    """What the competition's track 5 is: the mean over the tracks."""
    mean_over_tracks_interval: Interval | None
    n_tasks: int
    n_samples: int
    """Samples that were scored."""
    not_scored: dict[str, int]
    """Metric -> samples that could not be scored."""
    baselines: Baselines
    """Means over the same tasks as `mean_over_tasks`."""


class RoutingAccuracy(Record):
    """How often the type read from the prompt was the sample's own."""

    right: int
    n: int
    """Samples whose routed type is known."""
    confusion: dict[str, dict[str, int]]
    """Gold type -> routed type -> samples; the right ones are included."""


class CalibrationBin(Record):
    """Multiple-choice samples whose highest label probability lies in (low, high]."""

    low: float
    high: float
    n: int
    confidence: float | None
    """Mean probability of the chosen label."""
    accuracy: float | None


class Calibration(Record):
    """Do label probabilities mean what they say? Guo et al., 2017, section 2."""

    n: int
    ece: float
    """Expected calibration error: mean over samples of |accuracy - confidence| by bin."""
    brier: float
    """Mean over samples of the squared distance between label probabilities and the gold label, 0 to 2."""
    mean_label_mass: float | None
    """Mean probability, before normalising, that fell on any label."""
    bins: list[CalibrationBin]


class PublishedScore(Record):
    """A published score of another system, percent converted to a fraction."""

    system: str
    tracks: dict[str, float]
    """Track number ("1" to "5") -> score on the hidden test set."""
    source: str
    data: Literal["hidden test set"] = "hidden test set"


class BatchTime(Record):
    """One call of `batch_predict`."""

    index: int
    task_type: TaskType
    size: int
    seconds: float
    limit_seconds: float
    within_limit: bool


class Durations(Record):
    """Wall-clock seconds; None where that stage did not run here."""

    load_seconds: float | None = None
    predict_seconds: float | None = None
    score_seconds: float
    batches: list[BatchTime] = Field(default_factory=list)
    over_limit: int = 0
    """Batches that took longer than 10 s a sample: the competition would have stopped the run."""


class Provenance(Record):
    """Where the answers came from. None where it is not known."""

    engine: str | None = None
    engine_version: str | None = None
    model: str | None = None
    prompt_fingerprint: str | None = None
    git_revision: str | None = None
    """`git describe --always --dirty` of the project; ends in '-dirty' for uncommitted changes."""
    settings: dict[str, Scalar] = Field(default_factory=dict)


class Joining(Record):
    """How predictions met samples."""

    by: Literal["id", "order", "model"]
    missing: list[str] = Field(default_factory=list)
    """Ids of samples without a prediction: scored as an empty answer."""
    extra: list[str] = Field(default_factory=list)
    """Ids of predictions without a sample: ignored."""


class EvalReport(Record):
    """`report.json`."""

    schema_version: Literal[1] = SCHEMA_VERSION
    name: str | None = None
    """What whoever ran it calls the evaluation."""
    created: datetime
    data: str
    """File name of the samples."""
    data_sha256: str | None = None
    provenance: Provenance
    joining: Joining
    overall: Overall
    tracks: dict[str, TrackScore]
    """By the data's own track string."""
    types: dict[TaskType, GroupScore] = Field(default_factory=dict)
    """By task type; empty in reports of before."""
    tasks: dict[str, TaskScore]
    """By task name, in the data's order."""
    outcomes: dict[str, int]
    """Outcome -> samples; "unknown" where the predictions do not say."""
    failed: dict[str, int] = Field(default_factory=dict)
    """Why a sample has no answer of the model's own -> samples, each counted once: "missing", "error", "empty", or the
    outcome of an answer that stands in for the model's, such as "fallback"."""
    routing: RoutingAccuracy | None
    calibration: Calibration | None
    majority_from: str | None = None
    """Whose labels the majority baseline knows: "leave-one-out" (all of the task's but the sample's own), or the file
    with further samples; None in reports of before, where it knew every label that it was scored on."""
    durations: Durations
    published: list[PublishedScore]
    scorers: dict[str, str]
    """Library or encoder -> version or path, for those that were used."""
    notes: list[str] = Field(default_factory=list)
    """What a reader must know, one line each: failures, unscored metrics, dropped rows, doubtful data."""

    @property
    def failed_share(self) -> float:
        """The share of all samples, scored or not, that have no answer of the model's own."""
        return sum(self.failed.values()) / max(1, sum(self.outcomes.values()))

    @property
    def failure(self) -> str | None:
        """The failures in one line, which is the first of the notes; None where there are none."""
        failed, asked = sum(self.failed.values()), sum(self.outcomes.values())
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in self.failed.items())
        share = f"{failed:,} of {asked:,} samples ({self.failed_share:.1%})"
        line = f"{share} have no answer of the model's own ({kinds}): the scores are of what stands in its place"
        return line if failed else None


class ChatMessage(Record):
    """One turn as it was rendered, before the chat template."""

    role: str
    content: str


class SampleResult(Record):
    """One line of `samples.jsonl`. Texts are uncut; half a surrogate pair, which no file can hold, is U+FFFD."""

    id: str
    task_name: str
    task_type: TaskType
    track: str
    metric: str
    prompt: str
    rendered: list[ChatMessage] | None = None
    raw: str | None = None
    """The model's text before it was repaired; None where it is not known."""
    answer: str
    parsed: object
    """What the organisers' parser makes of `answer`: integer, list of integers or strings, or string."""
    gold: object
    score: float | None
    """None for a sample that could not be scored. For micro f1 the sample's own F1, for the reader only."""
    counts: tuple[int, int, int] | None = None
    """micro f1: true positives, false positives, false negatives; the task's score pools these."""
    not_scored_reason: str | None = None
    outcome: Outcome | None = None
    routed_type: TaskType | None = None
    route_right: bool | None = None
    label_probs: dict[str, float] | None = None
    label_mass: float | None = None
    seconds: float | None = None
    output_characters: int
    output_tokens: int | None = None
    error: str | None = None
    missing: bool = False
    """There was no prediction for this sample."""


class Verdict(StrEnum):
    """What the samples say about B against A."""

    ROSE = "rose"
    FELL = "fell"
    UNDECIDED = "cannot be told apart"


class Side(Record):
    """One of the two evaluations."""

    name: str
    """The report's own, or else its folder."""
    created: datetime
    provenance: Provenance


class TaskComparison(Record):
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


class GroupComparison(Record):
    """A mean over tasks or tracks; tests of groups are not adjusted."""

    title: str
    n_tasks: int
    score_a: float
    score_b: float
    delta: float
    interval: Interval | None
    p_value: float
    verdict: Verdict


class SampleChange(Record):
    """A sample on which the two sides scored differently."""

    id: str
    task_name: str
    prompt: str
    answer_a: str
    answer_b: str
    gold: object
    score_a: float
    score_b: float


class Comparison(Record):
    """What `app.evaluation.compare.compare` finds."""

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


_LEADERBOARD = "Amazon KDD Cup 2024 final leaderboard"
PUBLISHED = [
    PublishedScore(system=system, source=source, tracks={str(n): score / 100 for n, score in enumerate(scores, 1)})
    for system, source, scores in (
        ("1st, NVIDIA", _LEADERBOARD, (83.3, 79.1, 74.6, 76.1, 78.8)),
        ("2nd", _LEADERBOARD, (82.5, 78.4, 73.3, 73.5, 78.2)),
        ("3rd", _LEADERBOARD, (82.4, 78.1, 72.8, 71.5, 77.3)),
        ("Qwen2-72B, zero-shot", "the winning team's report", (79.8, 64.1, 71.9, 69.2, 74.9)),
    )
]
