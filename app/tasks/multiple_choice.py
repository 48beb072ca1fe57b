"""Multiple choice: one label, because the evaluator reads the first character of the answer."""

import re
from dataclasses import replace

from app.errors import InputError
from app.tasks.answers import PARSED_LENGTH
from app.tasks.base import Options, Reading
from app.tasks.lists import NumberedList, find_letters
from app.tasks.prompt import Parts, dissect
from app.tasks.words import NUMBER, number
from app.types import Answer, Choice, Outcome, Question, SamplingParams, TaskType

_NO_YES, _DEFAULT = ("0", "1"), ("0", "1", "2", "3")
_RATES = re.compile(
    r"\b(?:rat(?:e|es|ed|ing)|scor(?:e|es|ed|ing)|scal(?:e|es)|stars?|grad(?:e|es|ing)|evaluat(?:e|es|ing)|judg(?:e|es)"
    r"|assess|sentiment|points?|level)\b"
)
_SCALE = re.compile(
    r"(?<![\d.,])(?:(?P<low>[01])|one)\s*(?:\([^()\n]{0,60}\)\s*|(?:stars?|points?)\s|(?:being|is|=|means?|for)\b[^.\d\n]{0,40}?\s)?"
    rf"(?:-|–|—|to|through|and|\.\.+|…|up to)\s*{NUMBER}(?![\d.,]*\d)"
)
_STEPS = re.compile(rf"\b{NUMBER}[- ](?:point|level|step|star (?:scale|rating))s?\b")
_OUT_OF = re.compile(rf"\b(?:stars?|points?|rating|score)\b[^.\n]{{0,20}}\bout of {NUMBER}\b")
_MEANING = re.compile(
    r"(?<![\w.])(?P<number>[0-9])['\"]?\s*"
    r"(?:=|(?:if|for|means?|denotes?|indicates?|when|stands|represents?|otherwise|as|being)\b|\((?=[a-z])|:\s*(?=[a-z]))"
    r"|(?<![\w.])(?P<before>[0-9]) [a-z][a-z ]{1,30}(?=\s?/)|(?<=/)\s?(?P<after>[0-9]) (?=[a-z])"
)
_YES_NO = re.compile(r"\b(?:yes|true)\s*(?:/|or|and|if\b.{0,200}?\b)\s*(?:no|false)\b|\bbinary\b")
_LABEL_IN_TEXT = re.compile(r"(?<![\w.,])(?:[0-9A-Z](?!\w|[.,][0-9])|[a-z](?=[).:]))")
"""A digit or capital that stands alone; a small letter only as a label, because "a" is also a word."""


def choice_of(labels: tuple[str, ...]) -> Reading:
    """One of the labels, which are a character each: one token, greedy. Templates may use `labels`: "0, 1, 2, 3"."""

    def answer(text: str) -> Answer:
        """A label: the text itself, else the first one in it, else the first that the prompt offers."""
        stripped = text.strip()
        if stripped in labels:
            return Answer(stripped)
        for match in _LABEL_IN_TEXT.finditer(stripped[:PARSED_LENGTH]):
            if match.group() in labels:
                return Answer(match.group(), Outcome.REPAIRED)
        return Answer(labels[0], Outcome.FALLBACK)

    return Reading(Choice(labels), SamplingParams(max_tokens=1), {"labels": ", ".join(labels)}, answer)


class MultipleChoice:
    """Questions that the evaluator marks as multiple choice."""

    type = TaskType.MULTIPLE_CHOICE

    def evidence(self, question: Question) -> str | None:
        """The evaluator's mark; nothing in the prompt says so (worked solutions list options too)."""
        return "marked as multiple choice" if question.is_multiple_choice else None

    def read(self, question: Question) -> Reading:
        """The labels: a rating scale, the listed ones, those given a meaning, yes or no, or 0 to 3."""
        parts = dissect(question.prompt)
        found, embedded = _listed(parts)
        listed = tuple(map(str, found.numbers)) if found else ()
        scale = _scale(parts)
        if scale and (embedded or "0" not in listed):
            return choice_of(scale)
        if found:
            return replace(choice_of(listed), options=Options.of(question.prompt, found))
        default = _NO_YES if _YES_NO.search(parts.asked) else _DEFAULT
        return choice_of(find_letters(question.prompt) or _meanings(parts) or default)

    def parse(self, answer: str) -> int:
        """Rule: strip, then the first character as an integer; -1 for anything else."""
        first = answer[:PARSED_LENGTH].strip()[:1]
        try:
            return int(first)
        except ValueError:
            return -1

    def format_target(self, target: object) -> str:
        """The label, from an integer or a one-character string.

        Raises:
            InputError: the label is longer, or neither.
        """
        label = str(target).strip() if isinstance(target, int | str) and not isinstance(target, bool) else ""
        if len(label) == 1 and label.isascii() and label.isalnum():
            return label
        raise InputError(f"a multiple-choice label is one character, not {target!r}")


def _listed(parts: Parts) -> tuple[NumberedList | None, bool]:
    """The last list that stands outside running text, else the last, up to number 9; and whether inside."""
    outside = [found for found in parts.lists if not parts.embedded(found)]
    if not parts.lists:
        return None, False
    found = (outside or parts.lists)[-1]
    # The first two numbers of any list have one digit.
    return replace(found, entries=tuple(entry for entry in found.entries if entry.number < 10)), not outside


def _scale(parts: Parts) -> tuple[str, ...]:
    """The steps of a rating scale that the instructions name. Ten has two characters and is left out."""
    if not _RATES.search(parts.asked):
        return ()
    match = _SCALE.search(parts.asked)
    found = match or _STEPS.search(parts.asked) or _OUT_OF.search(parts.asked)
    if found is None or not 2 <= number(found["n"]) <= 10:
        return ()
    low = int(match["low"] or 1) if match else 1
    return tuple(str(label) for label in range(low, min(number(found["n"]), 9) + 1))


def _meanings(parts: Parts) -> tuple[str, ...]:
    """Labels that the instructions define in passing ("1 if it fits, 0 otherwise")."""
    labels = sorted({match["number"] or match["before"] or match["after"] for match in _MEANING.finditer(parts.asked)})
    return tuple(labels) if len(labels) > 1 else ()
