"""The metrics' names as the data spells them. Light: importing this loads no scorer."""

from enum import StrEnum
from typing import NamedTuple

from app.types import TaskType


class Metric(StrEnum):
    """The starter kit's nine metrics."""

    ACCURACY = "accuracy"
    HIT_RATE_AT_3 = "hit rate@3"
    NDCG = "ndcg"
    MICRO_F1 = "micro f1"
    ROUGE_L = "rougel"
    BLEU = "bleu"
    JP_BLEU = "jp-bleu"
    SENT_TRANSFORMER = "sent-transformer"
    MULTILINGUAL_SENT_TRANSFORMER = "multilingual-sent-transformer"

    @property
    def task_type(self) -> TaskType:
        """The one task type whose parsed answers this metric can read."""
        return _TASK_TYPES.get(self, TaskType.GENERATION)


SEMANTIC = (Metric.SENT_TRANSFORMER, Metric.MULTILINGUAL_SENT_TRANSFORMER)
"""These take several references; the others take one."""

_TASK_TYPES = {
    Metric.ACCURACY: TaskType.MULTIPLE_CHOICE,
    Metric.HIT_RATE_AT_3: TaskType.RETRIEVAL,
    Metric.NDCG: TaskType.RANKING,
    Metric.MICRO_F1: TaskType.NAMED_ENTITY_RECOGNITION,
}


class Track(NamedTuple):
    """A track's number, the name that the data uses and a title for people."""

    number: int
    name: str
    title: str


TRACKS = (
    Track(1, "amazon-kdd-cup-24-understanding-shopping-concepts", "Shopping Concept Understanding"),
    Track(2, "amazon-kdd-cup-24-shopping-knowledge-reasoning", "Shopping Knowledge Reasoning"),
    Track(3, "amazon-kdd-cup-24-user-behavior-alignment", "User Behavior Alignment"),
    Track(4, "amazon-kdd-cup-24-multi-lingual-abilities", "Multi-lingual Abilities"),
)
UNDERSTANDING, REASONING, BEHAVIOR, MULTILINGUAL = (track.name for track in TRACKS)

TRACK_OF = {
    "concept_understanding": UNDERSTANDING,
    "knowledge_reasoning": REASONING,
    "user_behaviour": BEHAVIOR,
    "multilingual": MULTILINGUAL,
}
"""By the capability that a training row names."""
_BY_NAME = {track.name: track for track in TRACKS}


def track_number(name: str) -> int | None:
    """1 to 4, or None for a name that the competition does not know."""
    track = _BY_NAME.get(name)
    return track.number if track else None


def track_title(name: str) -> str:
    """The track's title; its own name where the competition does not know it."""
    track = _BY_NAME.get(name)
    return track.title if track else name or "No track"
