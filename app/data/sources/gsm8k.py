r"""GSM8K: grade-school sums with worked solutions.

Schema: `question`, `answer`, JSON lines or Parquet, configurations "main" and "socratic" on the hub; the answer ends
in a line "#### n", and calculator's notes stand as <<3*4=12>> (the set's own card, Cobbe et al. 2021).
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.data.sources.reading import count, find_tables, read_table

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
    """The training sums of a folder (or one file); test files are left alone.

    Raises:
        InputError: a file has another schema.
    """
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
