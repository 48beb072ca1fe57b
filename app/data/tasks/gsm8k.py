"""Training tasks of GSM8K: sums to work out, to answer, and to choose the answer of."""

import random
from collections.abc import Callable, Iterable, Iterator

from app.data.row import Capability
from app.data.sources.gsm8k import Sum
from app.data.tasks.task import OPTIONS, Draft, TrainingTask, choices
from app.evaluate.names import Metric
from app.types import TaskType

WORKED = (
    "{{ question }}\nLet's think step by step.",
    "Solve the following problem step by step and end with the answer.\nProblem: {{ question }}\nSolution:",
)
NUMBER = (
    "{{ question }}\nAnswer with the final number only.\nAnswer:",
    "Question: {{ question }}\nGive the result as a plain number, without an explanation.\nAnswer:",
)
CHOICE = (
    "What is the result?\n{{ question }}\n{{ options }}\nOutput the number of the right option only:",
    "{{ question }}\n{{ options }}\nAnswer:",
    "Choose the right answer.\nQuestion: {{ question }}\n{{ options }}\nAnswer:",
)


def _worked(record: Sum, rng: random.Random) -> Iterator[Draft]:  # noqa: ARG001 - as the others take it
    solution = f"{record.solution}\nTherefore, the answer is {record.answer}."
    yield Draft({"question": record.question}, solution, record.question)


def _number(record: Sum, rng: random.Random) -> Iterator[Draft]:  # noqa: ARG001 - as the others take it
    yield Draft({"question": record.question}, record.answer, record.question)


def _choice(record: Sum, rng: random.Random) -> Iterator[Draft]:
    """The answer among numbers of the problem and slips of calculation."""
    of_problem = [number for number in record.other_numbers if number.isdigit()]
    slips = _slips(record.answer, rng)
    taken = rng.sample(of_problem, min(2, len(of_problem)))
    others = list(dict.fromkeys([*taken, *slips]))[: OPTIONS - 1]
    options, number = choices(record.answer, others, rng)
    yield Draft({"question": record.question, "options": options}, number, record.question)


def _slips(answer: str, rng: random.Random) -> list[str]:
    """Numbers one gets by a slip: one off, doubled, halved, ten off, in a drawn order."""
    value = float(answer)
    places = len(answer.partition(".")[2])
    near = (value + 1, value - 1, value * 2, value / 2 if value % 2 == 0 else value + 2, value + 10, value * 10)
    written = dict.fromkeys(f"{number:.{places}f}" for number in near if number >= 0)
    slips = [number for number in written if number != answer]
    rng.shuffle(slips)
    return slips


def _task(
    name: str,
    task_type: TaskType,
    metric: Metric,
    wordings: tuple[str, ...],
    draw: Callable[[Sum, random.Random], Iterable[Draft]],
) -> TrainingTask[Sum]:
    return TrainingTask(
        f"gsm8k_{name}",
        Capability.KNOWLEDGE_REASONING,
        "numeric reasoning",
        task_type,
        metric.value,
        "GSM8K",
        wordings,
        draw,
    )


SUM_TASKS: tuple[TrainingTask[Sum], ...] = (
    _task("worked", TaskType.GENERATION, Metric.SENT_TRANSFORMER, WORKED, _worked),
    _task("number", TaskType.GENERATION, Metric.ROUGE_L, NUMBER, _number),
    _task("choice", TaskType.MULTIPLE_CHOICE, Metric.ACCURACY, CHOICE, _choice),
)
