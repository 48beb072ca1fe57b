"""Declaring tasks of the catalogue: a function that drafts one question, with its wordings beside it."""

import random
from collections.abc import Callable, Iterator

from app.data.catalogue.catalogue import Catalogue
from app.data.row import Capability
from app.data.tasks.task import Draft, GeneratedSource, TrainingTask
from app.evaluate.names import Metric
from app.types import TaskType

CATALOGUE_SOURCE = GeneratedSource("catalogue", "Apache-2.0", Catalogue)
CHOICE = TaskType.MULTIPLE_CHOICE
RANKING = TaskType.RANKING
RETRIEVAL = TaskType.RETRIEVAL
NER = TaskType.NAMED_ENTITY_RECOGNITION
GENERATION = TaskType.GENERATION

_METRICS = {
    CHOICE: Metric.ACCURACY,
    RANKING: Metric.NDCG,
    RETRIEVAL: Metric.HIT_RATE_AT_3,
    NER: Metric.MICRO_F1,
}

DraftOne = Callable[[Catalogue, random.Random], Draft]
CatalogueTask = TrainingTask[Catalogue]


def catalogue_task(
    capability: Capability,
    sub_skill: str,
    task_type: TaskType,
    wordings: tuple[str, ...],
    metric: Metric | None = None,
    languages: tuple[str, ...] = ("en",),
) -> Callable[[DraftOne], CatalogueTask]:
    """Makes a task of a drafting function and gives it the function's name. Generation tasks say their metric."""

    def declare(draft: DraftOne) -> CatalogueTask:
        def draw(shop: Catalogue, rng: random.Random) -> Iterator[Draft]:
            yield draft(shop, rng)

        return TrainingTask(
            name=draft.__name__,
            capability=capability,
            sub_skill=sub_skill,
            task_type=task_type,
            metric=(metric or _METRICS[task_type]).value,
            source=CATALOGUE_SOURCE.name,
            wordings=wordings,
            draw=draw,
            languages=languages,
        )

    return declare
