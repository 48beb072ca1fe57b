"""Numbered lists inside questions that are already in words: count them anew, take entries out."""

from app.tasks.numbered_list import NumberedList, find_lists, principal


def last_list(question: str) -> NumberedList | None:
    """The list that a question is about: the announced one, else the longest."""
    return principal(find_lists(question))


def renumbered(question: str, found: NumberedList) -> str:
    """The question with the list counted without gaps from its first number on."""
    first = found.entries[0].number
    for place, entry in reversed(list(enumerate(found.entries))):
        start = question.index(str(entry.number), entry.line_start)
        question = question[:start] + str(first + place) + question[start + len(str(entry.number)) :]
    return question


def without(question: str, found: NumberedList, numbers: set[int]) -> str:
    """The question without the entries of these numbers, the rest counted anew. The first entry cannot be taken out.

    Raises:
        ValueError: the first entry is among them.
    """
    if found.entries[0].number in numbers:
        raise ValueError("the first entry holds the list's place")
    for entry in reversed(found.entries):
        if entry.number in numbers:
            start = question.rfind("\n", 0, entry.line_start)
            question = question[:start] + question[entry.end :]
    left = last_list(question)
    return renumbered(question, left) if left else question
