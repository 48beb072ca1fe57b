r"""GSM8K: grade-school sums with worked solutions.

Schema: `question`, `answer`, JSON lines or Parquet, configurations "main" and "socratic" on the hub; the answer ends
in a line "#### n", and calculator's notes stand as <<3*4=12>> (the set's own card, Cobbe et al. 2021).
"""

import random
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.data.row import Capability
from app.data.sources.reading import count, find_tables, read_table
from app.data.tasks.lists import OPTIONS, choices
from app.data.tasks.task import CHOICE, GENERATION, Draft, PublishedSource, TaskGroup
from app.evaluation.names import Metric

_NOTE = re.compile(r"<<[^<>\n]*>>")
_FINAL = re.compile(r"\n?#### *(?P<number>-?[\d,]*\.?\d+) *$")
_NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class Sum:
    """A word problem, its solution in sentences without notes, its answer, and the other numbers on the way."""

    question: str
    solution: str
    answer: str
    """Digits, without thousands separators."""
    other_numbers: tuple[str, ...]
    """Numbers of the question and the solution that are not the answer, in order, each once."""


def read_gsm8k(folder: Path, faults: Counter[str]) -> Iterator[Sum]:
    """The training sums of a folder (or one file); test files are left alone."""
    for path in find_tables(folder, "train*", "main/train*", "*_train*"):
        for row in read_table(path, ("question", "answer")):
            text = row.text("answer").strip()
            final = _FINAL.search(text)
            if final is None:
                faults["GSM8K: no '#### n' at the end, dropped"] += 1
                continue
            count(faults, "GSM8K: calculator's notes taken off", _NOTE.search(text) is not None)
            solution = _NOTE.sub("", text[: final.start()]).strip()
            answer = _plain(final["number"])
            question = row.text("question").strip()
            numbers = (_plain(number) for number in _NUMBER.findall(f"{question} {solution}"))
            others = dict.fromkeys(number for number in numbers if number != answer)
            yield Sum(question, solution, answer, tuple(others))


def _plain(number: str) -> str:
    return number.replace(",", "").removesuffix(".")


GSM8K = PublishedSource("GSM8K", "MIT", "Hugging Face, openai/gsm8k (Cobbe et al. 2021)", read_gsm8k)
_sum = TaskGroup[Sum](GSM8K, Capability.KNOWLEDGE_REASONING, "gsm8k", "gsm8k_")


@_sum("numeric reasoning", GENERATION, Metric.SENT_TRANSFORMER)
def _worked(record: Sum, rng: random.Random) -> Iterator[Draft]:  # noqa: ARG001 - as the others take it
    solution = f"{record.solution}\nTherefore, the answer is {record.answer}."
    yield Draft({"question": record.question}, solution, record.question)


@_sum("numeric reasoning", GENERATION, Metric.ROUGE_L)
def _number(record: Sum, rng: random.Random) -> Iterator[Draft]:  # noqa: ARG001 - as the others take it
    yield Draft({"question": record.question}, record.answer, record.question)


@_sum("numeric reasoning", CHOICE)
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


SOURCES = (GSM8K,)
TASKS = _sum.tasks()
