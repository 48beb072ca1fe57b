"""Made-up questions of every type, as many as a test wants."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from app.types import Question

THINGS = ("teapot", "garden hose", "head torch", "yoga mat", "desk lamp", "rain jacket", "bread knife", "door mat")


def choice(number: int) -> Question:
    thing = THINGS[number % len(THINGS)]
    prompt = f"Which of these goes with {thing} no. {number}?\n0. a cup\n1. a rope\n2. a nail\n3. a book\nAnswer:"
    return Question(f"c{number}", prompt, True)


def ranking(number: int) -> Question:
    thing = THINGS[number % len(THINGS)]
    options = "\n".join(f"{place}. {name} {number}" for place, name in enumerate(THINGS[:5], 1))
    prompt = (
        f"Rank the products by relevance to the query '{thing}'.\n{options}\nOutput a permutation of 1 to 5.\nOutput:"
    )
    return Question(f"r{number}", prompt)


def text(number: int) -> Question:
    thing = THINGS[number % len(THINGS)]
    return Question(f"g{number}", f"Instructions: Explain the product category.\nInput: {thing} {number}\nOutput:")


def mixed(count: int) -> Iterator[Question]:
    """Six choices, one ranking and one text in eight."""
    for number in range(count):
        match number % 8:
            case 6:
                yield ranking(number)
            case 7:
                yield text(number)
            case _:
                yield choice(number)


def line(question: Question) -> str:
    row = {"id": question.id, "prompt": question.prompt, "is_multiple_choice": question.is_multiple_choice}
    return json.dumps(row)


def write_questions(path: Path, questions: Iterable[Question]) -> Path:
    path.write_text("".join(line(question) + "\n" for question in questions), encoding="utf-8")
    return path
