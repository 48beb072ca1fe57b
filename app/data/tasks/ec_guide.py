"""Training tasks of EC-Guide: one a sub-task and type, in the published wordings."""

import random
from collections.abc import Iterator

from app.data.row import Capability
from app.data.sources.ec_guide import Instruction
from app.data.tasks.task import AS_PUBLISHED, Draft, TrainingTask
from app.evaluate.names import Metric
from app.types import TaskType

CONCEPTS, KNOWLEDGE = Capability.CONCEPT_UNDERSTANDING, Capability.KNOWLEDGE_REASONING
BEHAVIOUR, MULTILINGUAL = Capability.USER_BEHAVIOUR, Capability.MULTILINGUAL
CHOICE, RANKING, RETRIEVAL = TaskType.MULTIPLE_CHOICE, TaskType.RANKING, TaskType.RETRIEVAL
NER, GENERATION = TaskType.NAMED_ENTITY_RECOGNITION, TaskType.GENERATION
ACCURACY, HITS, SIMILARITY = Metric.ACCURACY, Metric.HIT_RATE_AT_3, Metric.SENT_TRANSFORMER

_ENGLISH = ("en",)
_ALL = ("en", "de", "es", "fr", "it", "ja")
_OTHERS = ("de", "es", "fr", "it", "ja")


def _task(
    name: str,
    sub_task: str,
    capability: Capability,
    sub_skill: str,
    task_type: TaskType,
    metric: Metric,
    languages: tuple[str, ...] = (),
) -> TrainingTask[Instruction]:
    """A task over a sub-task's rows of one type; any sub-task's, where none is named.

    `languages` choose among the rows; where none are given, the sub-task's rows are taken as they come.
    """

    def draw(record: Instruction, rng: random.Random) -> Iterator[Draft]:  # noqa: ARG001 - nothing is left to chance
        wanted = record.task_type is task_type and sub_task in {record.sub_task, ""}
        if wanted and (not languages or record.language in languages):
            yield Draft({"question": record.question}, record.gold, record.group, record.language)

    return TrainingTask(
        name=f"ec_guide_{name}",
        capability=capability,
        sub_skill=sub_skill,
        task_type=task_type,
        metric=metric.value,
        source="EC-Guide",
        wordings=AS_PUBLISHED,
        draw=draw,
        languages=languages or _ENGLISH,
    )


EC_GUIDE_TASKS: tuple[TrainingTask[Instruction], ...] = (
    _task("categories", "CR", CONCEPTS, "category classification", GENERATION, SIMILARITY),
    _task("elaboration", "PE", CONCEPTS, "concept normalization and elaboration", GENERATION, SIMILARITY),
    _task("outfit_reason", "EPF", CONCEPTS, "attribute explanation", GENERATION, SIMILARITY),
    _task("characteristics", "EPK", CONCEPTS, "extraction and summarization", GENERATION, SIMILARITY),
    _task("review_keyphrase", "ERK", CONCEPTS, "aspect keyphrase extraction", GENERATION, Metric.ROUGE_L),
    _task("keywords", "PKS", CONCEPTS, "extraction and summarization", GENERATION, SIMILARITY, _ENGLISH),
    _task("keyword_set", "PKS", CONCEPTS, "extraction and summarization", CHOICE, ACCURACY, _ENGLISH),
    _task("attribute_of_product", "SAP", CONCEPTS, "attribute value inference", CHOICE, ACCURACY),
    _task("product_with_attribute", "SPA", CONCEPTS, "applicable attribute", CHOICE, ACCURACY),
    _task("entities", "NER", CONCEPTS, "entity typing and extraction", NER, Metric.MICRO_F1),
    _task("review_aspects", "RRA", CONCEPTS, "review aspect identification", RETRIEVAL, HITS),
    _task("review_snippets", "RRS", CONCEPTS, "review snippet selection", RETRIEVAL, HITS),
    _task("category_products", "PR", CONCEPTS, "category classification", RETRIEVAL, HITS),
    _task("reasoning_choice", "ACR", KNOWLEDGE, "numeric and commonsense reasoning", CHOICE, ACCURACY),
    _task("reasoning_worked", "ACR", KNOWLEDGE, "numeric reasoning", GENERATION, SIMILARITY),
    _task("product_relation", "PRP", BEHAVIOUR, "product relation", CHOICE, ACCURACY),
    _task("query_product_relation", "QPRP", BEHAVIOUR, "query and product relation", CHOICE, ACCURACY),
    _task("rating", "SA", BEHAVIOUR, "review rating", CHOICE, ACCURACY),
    _task("bought_together_reason", "EBT", BEHAVIOUR, "purchase intention", GENERATION, SIMILARITY),
    _task("product_answer", "PQA", BEHAVIOUR, "product question answering", GENERATION, SIMILARITY),
    _task("ranking", "", BEHAVIOUR, "query and product ranking", RANKING, Metric.NDCG),
    _task("translation", "MT", MULTILINGUAL, "title translation", GENERATION, Metric.BLEU, _ALL[:5]),
    _task("translation_japanese", "MT", MULTILINGUAL, "title translation", GENERATION, Metric.JP_BLEU, ("ja",)),
    _task("description_match", "MDM", MULTILINGUAL, "description matching", CHOICE, ACCURACY, _ALL),
    _task("keyword_set_languages", "PKS", MULTILINGUAL, "keyword selection", CHOICE, ACCURACY, _OTHERS),
    _task(
        "keywords_languages",
        "PKS",
        MULTILINGUAL,
        "extraction and summarization",
        GENERATION,
        Metric.MULTILINGUAL_SENT_TRANSFORMER,
        _OTHERS,
    ),
)
"""QPRJ has none: it answers yes or no, and is dropped. Copies of the set without its ranking files give no ranking."""
