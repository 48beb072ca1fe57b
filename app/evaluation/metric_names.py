"""The metrics' names as the data spells them. Light: importing this loads no scorer."""

from enum import StrEnum

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
