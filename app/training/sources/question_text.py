"""Numbered lists inside questions that are already in words: count them anew, take entries out."""

from app.tasks.numbered_list import NumberedList, find_lists, principal


def last_list(question: str) -> NumberedList | None:
    """The list that a question is about: the announced one, else the longest."""
    return principal(find_lists(question))


def renumbered(question: str, found: NumberedList) -> str:
    """The question with the list counted without gaps from its first number on."""
    return without(question, found, set())


def without(question: str, found: NumberedList, numbers: set[int]) -> str:
    """The question without the entries of these numbers, the rest counted anew. The first entry cannot be taken out.

    Raises:
        ValueError: the first entry is among them.
    """
    first = found.numbers[0]
    if first in numbers:
        raise ValueError("the first entry holds the list's place")
    kept = [number for number in found.numbers if number not in numbers]
    for entry in reversed(found.entries):
        if entry.number in numbers:
            start, end, label = question.rfind("\n", 0, entry.line_start), entry.end, ""
        else:
            start = question.index(str(entry.number), entry.line_start)
            end, label = start + len(str(entry.number)), str(first + kept.index(entry.number))
        question = question[:start] + label + question[end:]
    return question
