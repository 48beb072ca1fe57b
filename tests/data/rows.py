"""Training rows of every task type, written for the tests, and small runs on them."""

import json
import random
from collections.abc import Callable
from pathlib import Path

from app.data.row import Capability, TrainingRow
from app.types import TaskType

THINGS = ("kettle", "saddle", "lamp", "shirt", "boots", "tent", "hammock", "blender")


def choice(rng: random.Random) -> TrainingRow:
    wanted, *others = rng.sample(THINGS, 3)
    options = rng.sample([wanted, *others], 3)
    listed = "\n".join(f"{number}. {option}" for number, option in enumerate(options))
    prompt = f"Which of these products is a {wanted}?\n{listed}\nAnswer:"
    label = options.index(wanted)
    return TrainingRow(prompt, str(label), label, "which product", TaskType.MULTIPLE_CHOICE, "accuracy",
                       Capability.CONCEPT_UNDERSTANDING, "naming", "tests")  # fmt: skip


def ranking(rng: random.Random) -> TrainingRow:
    wanted, *others = rng.sample(THINGS, 3)
    options = rng.sample([wanted, *others], 3)
    listed = "\n".join(f"{number}. {option}" for number, option in enumerate(options, start=1))
    order = sorted(range(1, 4), key=lambda number: options[number - 1] != wanted)
    prompt = (
        f"Query: {wanted}\nProducts:\n{listed}\nRank the products from the most to the least relevant to the query. "
        "Give a permutation of the numbers 1 to 3, separated by commas."
    )
    return TrainingRow(prompt, ",".join(map(str, order)), [float(option == wanted) for option in options],
                       "rank", TaskType.RANKING, "ndcg", Capability.USER_BEHAVIOUR, "search", "tests")  # fmt: skip


def retrieval(rng: random.Random) -> TrainingRow:
    wanted, *others = rng.sample(THINGS, 3)
    options = rng.sample([wanted, *others], 3)
    listed = "\n".join(f"{number}. {option}" for number, option in enumerate(options, start=1))
    number = options.index(wanted) + 1
    prompt = f"A buyer looks for a {wanted}. Retrieve the 1 product from this list that fits:\n{listed}\nNumbers only."
    return TrainingRow(prompt, str(number), [number], "select", TaskType.RETRIEVAL, "hit rate@3",
                       Capability.KNOWLEDGE_REASONING, "choosing", "tests")  # fmt: skip


def entity(rng: random.Random) -> TrainingRow:
    colour, thing = rng.choice(["red", "green", "blue"]), rng.choice(THINGS)
    prompt = f"Extract the entities of type 'colour' from the product title.\nProduct title: {thing}, {colour}, large"
    return TrainingRow(prompt, colour, [colour], "colour", TaskType.NAMED_ENTITY_RECOGNITION, "micro f1",
                       Capability.CONCEPT_UNDERSTANDING, "attributes", "tests")  # fmt: skip


def generation(rng: random.Random) -> TrainingRow:
    first, second = rng.sample(THINGS, 2)
    prompt = f"Translate the product title into German: {first} with {second}"
    target = f"{first} mit {second}"
    return TrainingRow(prompt, target, target, "translate", TaskType.GENERATION, "bleu",
                       Capability.MULTILINGUAL, "titles", "tests", language="de")  # fmt: skip


MAKERS: tuple[Callable[[random.Random], TrainingRow], ...] = (choice, ranking, retrieval, entity, generation)


def make_rows(count: int, seed: int = 0) -> list[TrainingRow]:
    """The five types in turn."""
    rng = random.Random(seed)
    return [MAKERS[number % len(MAKERS)](rng) for number in range(count)]


def write_rows(path: Path, rows: list[TrainingRow]) -> Path:
    path.write_text("".join(json.dumps(row.to_json()) + "\n" for row in rows), encoding="utf-8")
    return path
