"""Small files in the schemas of the published data sets, in our own words."""

import json
from pathlib import Path
from typing import Any

WARES = ("kettle", "lantern", "saddle", "flute", "parasol", "anvil", "carpet", "compass")


def ec_guide_row(prompt: str, output: object, task_type: str, metric: str) -> dict[str, object]:
    return {"input_field": prompt, "output_field": output, "task_type": task_type, "metric": metric}


def choice_row(number: int) -> dict[str, object]:
    wares = [WARES[(number + step) % len(WARES)] for step in range(4)]
    listed = "\n".join(f"{place}. Fine {ware} no {number}" for place, ware in enumerate(wares))
    prompt = f"Which product of batch {number} is a {wares[number % 4]}?\n{listed}\nAnswer: "
    return ec_guide_row(prompt, number % 4, "multiple-choice", "accuracy")


def write_data(folder: Path, rows: int = 40) -> Path:
    """The three data sets under `folder`, a few rows of each kind."""
    retrieval = [
        ec_guide_row(
            f"Pick what suits shelf {number}.\nProducts: 0. tin {number}\n1. jar\n2. mug {number}\n3. pot\nOutput:",
            [0, 2],
            "retrieval",
            "hit rate@3",
        )
        for number in range(rows)
    ]
    entities = [
        ec_guide_row(
            f"Find the brand in: Vora{number} steel kettle", [f"Vora{number}"], "named_entity_recognition", "micro f1"
        )
        for number in range(rows)
    ]
    texts = [
        ec_guide_row(f"Say what ware {number} is.", f"A ware, number {number}.", "generation", "rougel")
        for number in range(rows)
    ]
    _write(folder / "EC-Guide/MCQ/SAP.json", [choice_row(number) for number in range(rows)])
    _write(folder / "EC-Guide/Retrieval/PR.json", retrieval)
    _write(folder / "EC-Guide/NER/NER.json", entities)
    _write(folder / "EC-Guide/Generation/PE.json", texts)
    intention = [intention_row(number) for number in range(rows)]
    _write_lines(folder / "IntentionQA/task2.jsonl", intention)
    titles = [
        {"input": f"Vora{n} red steel {WARES[n % 8]}", "target_scores": {"Color": {"red": 1}, "Size": {"n/a": 1}}}
        for n in range(rows)
    ]
    _write_lines(folder / "ExtractGPT/oa-mine/train.jsonl", titles)
    return folder


def intention_row(number: int) -> dict[str, object]:
    return {
        "id": f"I{number}",
        "item_a_name": f"Camping {WARES[number % 8]} size {number}",
        "item_b_name": f"Spare part {number} for a {WARES[number % 8]}",
        "assertion": "PersonX bought a product of Item A and a product of Item B because they belong together.",
        "distractors_product": [f"Poster {number}", f"Ribbon {number}", f"Magnet {number}"],
    }


def _write(path: Path, rows: list[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows), encoding="utf-8")


def _write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
