"""A small mixture in our own words."""

import json
from pathlib import Path

from app.evaluation.metric_names import Metric
from app.training.row import Capability, TrainingRow
from app.types import TaskType

WARES = ("kettle", "lantern", "saddle", "flute", "parasol", "anvil", "carpet", "compass")


def make_row(task_type: TaskType, prompt: str, target: str, gold: object) -> TrainingRow:
    metric = {
        TaskType.MULTIPLE_CHOICE: Metric.ACCURACY,
        TaskType.RETRIEVAL: Metric.HIT_RATE_AT_3,
        TaskType.RANKING: Metric.NDCG,
        TaskType.NAMED_ENTITY_RECOGNITION: Metric.MICRO_F1,
        TaskType.GENERATION: Metric.ROUGE_L,
    }[task_type]
    return TrainingRow(
        prompt=prompt,
        target=target,
        gold=gold,
        task=f"wares_{task_type.name.lower()}",
        task_type=task_type,
        metric=metric,
        capability=Capability.CONCEPT_UNDERSTANDING,
        sub_skill="wares",
        source="test",
    )


def choice_row(number: int) -> TrainingRow:
    wares = [WARES[(number + step) % len(WARES)] for step in range(4)]
    listed = "\n".join(f"{place}. Fine {ware} no {number}" for place, ware in enumerate(wares))
    prompt = f"Which product of batch {number} is a {wares[number % 4]}?\n{listed}\nAnswer: "
    return make_row(TaskType.MULTIPLE_CHOICE, prompt, str(number % 4), number % 4)


def rows(number: int) -> list[TrainingRow]:
    """One row of each type."""
    ware = WARES[number % len(WARES)]
    return [
        choice_row(number),
        make_row(
            TaskType.RETRIEVAL,
            f"Pick three that suit shelf {number}.\n0. tin {number}\n1. jar\n2. mug {number}\n3. pot\nOutput:",
            "0,2,3",
            [0, 2, 3],
        ),
        make_row(
            TaskType.RANKING,
            f"Rank these for '{ware} {number}'.\n1. {ware} {number}\n2. {ware}\n3. tent\nOutput:",
            "1,2,3",
            [1.0, 0.5, 0.0],
        ),
        make_row(
            TaskType.NAMED_ENTITY_RECOGNITION,
            f"Find the brand in: Vora{number} {ware}",
            f"Vora{number}",
            [f"Vora{number}"],
        ),
        make_row(TaskType.GENERATION, f"Say what ware {number} is.", f"A {ware}.", f"A {ware}."),
    ]


def write_rows(path: Path, count: int = 40) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    made = [row for number in range(count) for row in rows(number)]
    path.write_text("".join(json.dumps(row.to_json()) + "\n" for row in made), encoding="utf-8")
    return path
