"""Training rows of the tests' own making."""

from collections.abc import Callable

from app.data.row import Capability, TrainingRow
from app.types import TaskType


def choice(subject: str, gold: object = 1, *, task: str = "colour_choice", group: str = "") -> TrainingRow:
    """A question with two options, the second of them right."""
    return TrainingRow(
        prompt="Which colour fits this product best? Answer with the number.\n"
        f"Product: {subject}\n0. red\n1. blue\nAnswer:",
        target=str(gold),
        gold=gold,
        task=task,
        task_type=TaskType.MULTIPLE_CHOICE,
        metric="accuracy",
        capability=Capability.CONCEPT_UNDERSTANDING,
        sub_skill="attributes",
        source="own",
        group=group,
    )


def free_text(subject: str, target: str, *, task: str = "explanation", metric: str = "rougel") -> TrainingRow:
    """A question that wants a sentence."""
    return TrainingRow(
        prompt=f"Explain in one sentence why a shopper would want this product.\nProduct: {subject}\nExplanation:",
        target=target,
        gold=target,
        task=task,
        task_type=TaskType.GENERATION,
        metric=metric,
        capability=Capability.KNOWLEDGE_REASONING,
        sub_skill="reasons",
        source="own",
    )


WORDS = ("kettle", "lamp", "rope", "saddle", "tent", "drum", "vase", "scarf", "ladder", "mirror", "anvil", "basket")


def subject(number: int) -> str:
    """A name that shares no run of three words with that of another number."""
    first, second = divmod(number, len(WORDS))
    return f"{WORDS[first % len(WORDS)]} model{number} {WORDS[second]} make{number * 7} size{number * 3}"


def unwatched(name: str, total: int) -> Callable[[], None]:
    """Tells nobody of a mixture's progress."""
    del name, total
    return lambda: None
