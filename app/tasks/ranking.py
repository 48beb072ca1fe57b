"""Ranking: every listed number once, best first."""

import re
from collections.abc import Sequence
from dataclasses import replace

from app.errors import InputError
from app.tasks.answers import join_numbers, literal, numbers_answer, parse_integers
from app.tasks.base import Options, Reading
from app.tasks.prompt import Parts, dissect
from app.tasks.words import (
    NUMBER,
    ORDERS_ELSEWHERE,
    WORKED_SOLUTION,
    WRITES_ELSEWHERE,
    counts_elsewhere,
    either,
    number,
)
from app.types import Question, SamplingParams, Selection, TaskType

_LARGEST = 5
"""The evaluator drops larger numbers and reads no more than this many."""
_DEFAULT = tuple(range(1, _LARGEST + 1))
_PERMUTATION = re.compile(r"\bpermutation\b")
_RANKS = re.compile(
    either(
        r"\b(?:re-?)?rank(?:s|ed|ing|ings)?\b",
        r"\bprioriti[sz]e",
        r"\bmost\b[^\n]{0,60}(?<!at )\bleast\b",
        r"\b(?:put|bring|place|line)\b[^.\n]{0,60}\b(?:in|into|up)\b[^.\n]{0,20}\border\b",
        r"\bassign\w* (?:an|the) order\b",
        r"\bbest (?:match )?to (?:the )?worst\b",
        r"\b(?:descending|decreasing|ascending) (?:order|relevance)",
        r"\bin (?:the |an? )?order (?:of|in which|that)\b",
        r"\b(?:which|what) order\b",
        r"\b(?:the |their )?(?:correct|right|best|resulting|final|relevance|result|sorted) order(?:ing)?\b",
        r"\b(?:return|output|give|print|show|provide|write|determine|decide(?: on)?|find) (?:me )?(?:the|their|its)"
        r" order\b",
        r"\b(?:sorted|ordered|ordering|sequenced?)\b[^.]{0,40}\b(?:by|relevan\w+|from|list)\b",
        r"\bsort(?:iere|ieren|ier)?\b",
        r"\bfrom top to bottom\b",
        r"\btop (?:is|goes|comes|for)\b[^\n]{0,80}\bbottom\b",
        r"\bhigh(?:est)? to (?:the )?low(?:est)?\b",
        r"\b(?:re-?order|arrange|sort|order) "
        r"(?:the|these|those|them|all|it|each|every|following|by|products|items|candidates)\b",
    )
)
_FIRST = re.compile(
    r"\b(?:best|most \w+|highest|closest|strongest)\b[^.\n]{0,40}\b(?:first|(?:at|on) (?:the )?top|leads?|second)\b"
)
_CUE = re.compile(r"(?:.* )?(?:order(?:ed list|ing)?|rank(?:s|ing|ed list)?|sorted list)")
_SELECTS = re.compile(r"\b(?:select|choose|pick|identify|find)\b")
_PICK = either("select", "choose", "pick", "return", "output", "give", "find", "identify", "recommend", "top")
_SOME_OF_THEM = re.compile(rf"\b{_PICK}\b[^.\n]{{0,40}}?[ -]{NUMBER}\b")
_ALL_OF_THEM = re.compile(r"\b(?:all|each|every|whole|full|entire|complete|once)\b")


def order_of(numbers: tuple[int, ...]) -> Reading:
    """A permutation; the numbers that the model forgets come last, as listed.

    There is room for the digits, the commas between them and the end: a digit is a token at worst. Templates may use
    `numbers`: "1, 2, 3, 4, 5" and `count`: "5".
    """
    count = len(numbers)
    return Reading(
        Selection(numbers, count),
        SamplingParams(max_tokens=len(join_numbers(numbers)) + 1),
        {"numbers": ", ".join(map(str, numbers)), "count": str(count)},
        lambda text: numbers_answer(text, numbers, count),
    )


class Ranking:
    """Questions that want a whole numbered list put in order."""

    type = TaskType.RANKING

    def evidence(self, question: Question) -> str | None:
        """The wording: a permutation is asked for, or a listed set is to be put in order rather than picked from."""
        parts = dissect(question.prompt)
        asked = parts.wanted
        if _PERMUTATION.search(asked):
            return "asks for a permutation"
        if parts.list is None or WORKED_SOLUTION.search(asked):
            return None
        if len(parts.shown) > 1 and sorted(parts.shown) == sorted(parts.list.numbers):
            return f"shows an order of the list as its answer ({join_numbers(parts.shown)})"
        found = _RANKS.search(asked)
        if found is None and parts.elsewhere and not WRITES_ELSEWHERE.search(asked):
            found = ORDERS_ELSEWHERE.search(asked)
        if found is None and not _SELECTS.search(asked):
            found = _FIRST.search(asked)
        if found is None:
            found = _CUE.fullmatch(parts.cue)
        if found is None or _picks_some(asked, parts):
            return None
        return f"asks to put a numbered list in order ('{found.group()[:40]}')"

    def read(self, question: Question) -> Reading:
        """The listed numbers, or 1 to 5."""
        found = dissect(question.prompt).list
        reading = order_of(found.numbers if found else _DEFAULT)
        return replace(reading, options=Options.of(question.prompt, found))

    def parse(self, answer: str) -> list[int]:
        """Rule: integers up to 5, the first five of them; none at all if any comes twice."""
        ranked = [value for value in parse_integers(answer) if value <= _LARGEST][:_LARGEST]
        return ranked if len(set(ranked)) == len(ranked) else []

    def format_target(self, target: object) -> str:
        """The best order for a relevance vector (ties as listed, numbers from 1), or a permutation as it is.

        Raises:
            InputError: the label is not a list of numbers.
        """
        values = literal(target.strip()) if isinstance(target, str) else target
        if not isinstance(values, list | tuple) or not values or not all(map(_is_number, values)):
            raise InputError(f"a ranking label is a list of numbers, not {target!r}")
        return join_numbers(_order(values))


def _picks_some(asked: str, parts: Parts) -> bool:
    """Whether only the top few are wanted."""
    if parts.list is None or _ALL_OF_THEM.search(asked):
        return False
    some = _SOME_OF_THEM.search(asked)
    counts = [number(some["n"])] if some else counts_elsewhere(asked)[: parts.elsewhere]
    return any(count < len(parts.list.entries) - 1 for count in counts)


def _order(values: Sequence[float]) -> list[int]:
    """Whole numbers that are a permutation of 0..n-1 or 1..n stand for themselves; all else is relevance."""
    whole = [value for value in values if isinstance(value, int)]
    if len(whole) == len(values) and sorted(whole) in (list(range(len(whole))), list(range(1, len(whole) + 1))):
        return whole
    return [1 + index for index in sorted(range(len(values)), key=lambda index: -values[index])]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
