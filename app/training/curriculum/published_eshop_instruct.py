"""Training tasks of EshopInstruct: one a task type, in the published wordings."""

import random
from collections.abc import Iterator

from app.evaluation.metric_names import Metric
from app.training.curriculum.task import AS_PUBLISHED, Draft, TrainingTask
from app.training.row import Capability
from app.training.sources.eshop_instruct import EshopQuestion
from app.types import TaskType


def _task(
    name: str, capability: Capability, sub_skill: str, task_type: TaskType, metric: Metric
) -> TrainingTask[EshopQuestion]:
    def draw(record: EshopQuestion, rng: random.Random) -> Iterator[Draft]:  # noqa: ARG001 - nothing is left to chance
        if record.task_type is task_type:
            yield Draft({"question": record.question}, record.gold, language=record.language)

    return TrainingTask(
        f"eshop_{name}",
        capability,
        sub_skill,
        task_type,
        metric.value,
        "EshopInstruct",
        AS_PUBLISHED,
        draw,
        ("en", "de", "es", "fr", "it", "ja"),
    )


_CONCEPTS, _BEHAVIOUR = Capability.CONCEPT_UNDERSTANDING, Capability.USER_BEHAVIOUR
ESHOP_TASKS: tuple[TrainingTask[EshopQuestion], ...] = (
    _task("choice", _BEHAVIOUR, "shopping questions", TaskType.MULTIPLE_CHOICE, Metric.ACCURACY),
    _task("retrieval", _BEHAVIOUR, "product search", TaskType.RETRIEVAL, Metric.HIT_RATE_AT_3),
    _task("ranking", _BEHAVIOUR, "query and product ranking", TaskType.RANKING, Metric.NDCG),
    _task("entities", _CONCEPTS, "entity typing and extraction", TaskType.NAMED_ENTITY_RECOGNITION, Metric.MICRO_F1),
    _task("text", _CONCEPTS, "extraction and summarization", TaskType.GENERATION, Metric.SENT_TRANSFORMER),
)
