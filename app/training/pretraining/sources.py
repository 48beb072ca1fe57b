"""Readers of the published data sets: rows as published in, clean examples and a count of faults out."""

import ast
import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from app.errors import InputError, SetupError
from app.training.pretraining.examples import Example, format_numbers
from app.training.pretraining.listing import find_entries, renumber
from app.types import TaskType

SELECTED = 3
"""The evaluator reads the first three numbers of a retrieval answer."""
FOLDERS = ("EC-Guide", "IntentionQA", "ExtractGPT")


def read_sources(folder: Path, faults: Counter[str]) -> Iterator[Example]:
    """Every example of the three data sets; `faults` counts the rows that were mended or dropped.

    Raises:
        SetupError: a data set is missing.
        InputError: a file is not what its data set publishes.
    """
    for name in FOLDERS:
        if not (folder / name).is_dir():
            raise SetupError(f"no folder {folder / name}: set data.folder to where {', '.join(FOLDERS)} lie")
    for path in sorted((folder / "EC-Guide").glob("*/*.json")):
        yield from read_ec_guide(path, faults)
    yield from read_intention_qa(folder / "IntentionQA" / "task2.jsonl")
    for path in sorted((folder / "ExtractGPT").glob("*/train.jsonl")):
        yield from read_extract_gpt(path, faults)


def read_ec_guide(path: Path, faults: Counter[str]) -> Iterator[Example]:
    """One sub-task of EC-Guide: a JSON array of `input_field`, `output_field`, `task_type`, `metric`.

    Raises:
        InputError: the file has another schema.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        for row in rows:
            prompt, metric = row["input_field"], row["metric"]
            task_type = TaskType(row["task_type"])
            source = f"{path.stem} {task_type.value}"
            if metric == "bool":
                faults[f"{source}: yes or no, dropped"] += 1
                continue
            example = _ec_guide_example(prompt, row["output_field"], task_type, source, faults)
            if example is not None:
                yield example
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path} is not an EC-Guide sub-task: {error!r}") from error


def _ec_guide_example(
    prompt: str, gold: object, task_type: TaskType, source: str, faults: Counter[str]
) -> Example | None:
    if task_type is TaskType.MULTIPLE_CHOICE:
        entries = [entry.number for entry in find_entries(prompt)]
        if entries == [0, 1, 3]:
            prompt = renumber(prompt)
            faults[f"{source}: options 0, 1, 3 renumbered"] += 1
        target = str(int(str(gold)))
    elif task_type is TaskType.RETRIEVAL:
        numbers = [int(str(number)) for number in _as_list(gold)]
        listed = {entry.number for entry in find_entries(prompt)}
        if not numbers or not set(numbers) <= listed:
            faults[f"{source}: gold is not listed, dropped"] += 1
            return None
        target = format_numbers(numbers[:SELECTED])
    elif task_type is TaskType.NAMED_ENTITY_RECOGNITION:
        target = ", ".join(str(span).strip() for span in _as_list(gold))
    else:
        target = str(gold).strip()
    if not target:
        faults[f"{source}: no answer, dropped"] += 1
        return None
    return Example(prompt, target, task_type, source)


def _as_list(gold: object) -> list[object]:
    value = ast.literal_eval(gold) if isinstance(gold, str) and gold.startswith("[") else gold
    return value if isinstance(value, list) else [value]


def read_intention_qa(path: Path) -> Iterator[Example]:
    """Co-purchases as choices among four products, as lists of fifteen, and as reasons to explain.

    Raises:
        InputError: the file has another schema.
    """
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        bought: defaultdict[str, list[str]] = defaultdict(list)
        others: defaultdict[str, list[str]] = defaultdict(list)
        for row in rows:
            if row["item_b_name"] not in bought[row["item_a_name"]]:
                bought[row["item_a_name"]].append(row["item_b_name"])
            others[row["item_a_name"]] += row["distractors_product"]
        names = sorted(bought)
        for row in rows:
            yield _intention_choice(row)
            yield _intention_reason(row)
        for name in names:
            yield _also_bought(name, bought[name], others[name], names)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path} is not IntentionQA's task2: {error!r}") from error


def _intention_choice(row: dict[str, object]) -> Example:
    name, bought = str(row["item_a_name"]), str(row["item_b_name"])
    rng = random.Random(str(row["id"]))
    distractors = row["distractors_product"]
    if not isinstance(distractors, list):
        raise TypeError("distractors_product is no list")
    options = [bought, *map(str, distractors)]
    rng.shuffle(options)
    lead = rng.choice(
        (
            f"A shopper puts '{name}' into the basket. Which product goes with it?",
            f"Which of these products is most likely bought together with '{name}'?",
            f"Product: {name}\nChoose the product that complements it best.",
        )
    )
    listed = "\n".join(f"{number}. {option}" for number, option in enumerate(options))
    prompt = f"{lead}\n{listed}\nAnswer:"
    target = str(options.index(bought))
    return Example(prompt, target, TaskType.MULTIPLE_CHOICE, "IntentionQA choice", key=name)


def _intention_reason(row: dict[str, object]) -> Example:
    reason = str(row["assertion"]).partition(" because ")[2] or str(row["assertion"])
    prompt = (
        f"Say why a shopper buys these two products together.\n"
        f"Product A: {row['item_a_name']}\nProduct B: {row['item_b_name']}\nReason:"
    )
    target = f"Because {reason}".replace("PersonX", "the person")
    return Example(prompt, target, TaskType.GENERATION, "IntentionQA reason", key=str(row["item_a_name"]))


def _also_bought(name: str, bought: list[str], others: list[str], names: list[str]) -> Example:
    rng = random.Random(name)
    gold = bought[:SELECTED]
    fillers = list(dict.fromkeys([*others, *rng.sample(names, min(40, len(names)))]))
    fillers = [filler for filler in fillers if filler not in bought and filler != name]
    options = [*gold, *fillers[: 15 - len(gold)]]
    rng.shuffle(options)
    listed = "\n".join(f"{number}. {option}" for number, option in enumerate(options, start=1))
    prompt = (
        f"A shopper has just bought '{name}'. Which products of the list may follow? "
        f"Select three by number.\nProducts:\n{listed}\nOutput:"
    )
    numbers = sorted(options.index(option) + 1 for option in gold)
    return Example(prompt, format_numbers(numbers), TaskType.RETRIEVAL, "IntentionQA list", key=name)


def read_extract_gpt(path: Path, faults: Counter[str]) -> Iterator[Example]:
    """Attribute values in product titles: one extraction example for each attribute that stands in the title.

    Raises:
        InputError: the file has another schema.
    """
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            title = row["input"]
            for attribute, values in sorted(row["target_scores"].items()):
                spans = [value for value in values if value != "n/a" and value in title]
                if not spans:
                    faults["ExtractGPT: value not in the title, dropped"] += 1
                    continue
                yield _attribute_example(title, attribute, spans)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"{path} is not an ExtractGPT file: {error!r}") from error


def _attribute_example(title: str, attribute: str, spans: list[str]) -> Example:
    lead = random.Random(title + attribute).choice(
        (
            f"Find the '{attribute.lower()}' in this product title: '{title}'.",
            f"Extract the phrase of the entity type '{attribute.lower()}' from the title.\nTitle: {title}\nOutput:",
            f"Which words of the title name its {attribute.lower()}? Title: {title}\nOutput:",
        )
    )
    target = ", ".join(spans)
    return Example(lead, target, TaskType.NAMED_ENTITY_RECOGNITION, "ExtractGPT", key=title)
