"""Retrieval: the numbers of a few entries of a list."""

import re
from dataclasses import replace

from app.errors import InputError
from app.tasks.answers import join_numbers, literal, numbers_answer, parse_integers
from app.tasks.base import Options, Reading
from app.tasks.lists import NumberedList
from app.tasks.prompt import Parts, dissect
from app.tasks.words import (
    NUMBER,
    NUMBERS_ELSEWHERE,
    PICKS_ELSEWHERE,
    WORKED_SOLUTION,
    WRITES_ELSEWHERE,
    counts_elsewhere,
    either,
    imperative,
    number,
)
from app.types import Question, SamplingParams, Selection, TaskType

_READ = 3
"""The evaluator reads the first three numbers."""
_DEFAULT = tuple(range(1, 11))
_UNITS = either(
    "numbers?", "ind(?:ex|ices|exes)", "integers?", "ids?", "digits?", "products?", "items?", "aspects?",
    "snippets?", "quer(?:y|ies)", "brands?", "keywords?", "options?", "candidates?", "entr(?:y|ies)",
    "categor(?:y|ies)", "phrases?", "listings?", "statements?", "attributes?", "reviews?", "titles?", "articles?",
)  # fmt: skip
_VERB = either(
    "select", "choose", "pick", "identify", "output", "find", "give", "return", "list", "provide", "name",
    "retrieve", "recommend", "suggest", "answer", "write", "indicate", "report",
)  # fmt: skip
_SIZE = ("list of ", "contains ", "following ", "these ", "among ", "out of ", "from ", "of the ", "the ")
_NOT_THE_SIZE = "".join(f"(?<!{before})" for before in _SIZE)
_COUNTS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\b(?:the|those|these) {NUMBER} (?:that|which|who|most|best|likeliest)\b",
        rf"(?:^|[.:;!?] ){NUMBER} (?:of|from) (?:the|these|those|them)\b",
        rf"\b{_VERB}\b(?: \w+){{0,3}}? {NUMBER} (?:comma|number|ind(?:ex|ices)|integer|ids?\b|digits?\b)",
        rf"\b{NUMBER} of (?:them|these|those)\b",
        rf"\b(?:top|best|which) {NUMBER}\b",
        rf"\btop-{NUMBER}\b",
        r"\b(?P<n>single) (?:[\w-]+ )?" + _UNITS + r"\b",
        rf"\b{_VERB}\b(?:,? (?!of\b|from\b|list\b|contains\b)[\w-]+){{0,3}}? {NUMBER}\b(?! ?(?:to|or more|-) )",
        rf"{_NOT_THE_SIZE}\b{NUMBER} (?:most )?(?:\w+ ){{0,2}}?{_UNITS}\b",
    )
)
_NUMBERS = re.compile(
    either(
        r"\bind(?:ex|ices|exes)\b",
        r"\bnumbered list\b",
        r"\b\w+ (?:numbers?|ids?|labels?)\b",
        r"\bcomma\b",
        r"\bfrom (?:(?:the|this|following|below|above|given) )*(?:list|options|candidates|choices)\b",
        r"\bnumbers? (?:of|only)\b",
        r"\bintegers\b",
    )
)
_OUTPUT = re.compile(
    r"\b(?:the|their|its|only|just|by|as|are)\b[^.\n]{0,40}?\b(?:ind(?:ex|ices|exes)|numbers?"
    r"|ids)\b(?! of (?:units|pieces|items in))"
    r"|\b(?:indices|indexes|ids)\b|\(numbers?\)|\bnumbers (?:only|please|like|with|separated|between)\b"
    r"|(?:[\w ]+ )?numbers?"
)
"""What an answer of numbers is called, whatever verb asks for it."""
_PICKS = re.compile(
    r"\b"
    + either(
        "tell", "top", "state", "give", "point", "reply", "predict", "choice", "add", "decide", "write",
        "select", "choos", "pick", "identif", "find", "retriev", "recommend", "indicat", "determin", "predict",
        "guess", "mark", "tick", "return", "output", "list", "name", "which", "what",
    )
)  # fmt: skip
_WRITES = re.compile(
    r"\bexplain\b|\btranslate\b|\bsummari[sz]e\b|\b(?:write|generate|compose) (?:a|an|the)\b|\bwhy\b"
    rf"|{imperative('describe')}"
    r"|\b(?:in|with|within|using) (?:an?|one|two|three|\d+) (?:[a-z]+ )?(?:sentence|line|paragraph)"
)
_LONG = 6


def selection_of(numbers: tuple[int, ...], count: int) -> Reading:
    """So many distinct listed numbers: the model's, then the first unused ones as listed.

    There is room for the longest numbers, a comma after each and the end: a digit is a token at worst. Templates may
    use `count`: "3", and `first` and `last`: the smallest and the largest number.
    """
    first, last = str(min(numbers)), str(max(numbers))
    return Reading(
        Selection(numbers, count),
        SamplingParams(max_tokens=count * (len(last) + 1) + 1),
        {"count": str(count), "first": first, "last": last},
        lambda text: numbers_answer(text, numbers, count),
    )


class Retrieval:
    """Questions that want entries picked from a numbered list, by number."""

    type = TaskType.RETRIEVAL

    def evidence(self, question: Question) -> str | None:
        """The wording, with a numbered list outside running text: numbers are asked for, or one of a long list."""
        parts = dissect(question.prompt)
        if parts.list is None or WORKED_SOLUTION.search(parts.wanted):
            return None
        return _shown(parts, parts.list) or _asked_elsewhere(parts, parts.list) or _asked(parts, parts.list)

    def read(self, question: Question) -> Reading:
        """The listed numbers (1 to 10 where none are), and the count asked for (three where none is)."""
        parts = dissect(question.prompt)
        numbers = parts.list.numbers if parts.list else _DEFAULT
        elsewhere = (count for count in counts_elsewhere(parts.asked) if parts.elsewhere and count < len(numbers))
        count = asked_count(parts.asked) or next(elsewhere, 0) or len(parts.shown) or _READ
        reading = selection_of(numbers, min(count, len(numbers)))
        return replace(reading, options=Options.of(question.prompt, parts.list))

    def parse(self, answer: str) -> list[int]:
        """Rule: the first three integers between commas."""
        return parse_integers(answer)[:_READ]

    def format_target(self, target: object) -> str:
        """The gold numbers as they stand.

        Raises:
            InputError: the label is not a number or a list of numbers.
        """
        value = literal(target.strip()) if isinstance(target, str) else target
        values = value if isinstance(value, list | tuple) else [value]
        numbers = [one for one in values if isinstance(one, int) and not isinstance(one, bool)]
        if not numbers or len(numbers) != len(values):
            raise InputError(f"a retrieval label is a list of whole numbers, not {target!r}")
        return join_numbers(numbers)


def _shown(parts: Parts, listed: NumberedList) -> str | None:
    """The answer that the instructions show, where it has some of the list's numbers."""
    some = 0 < len(parts.shown) < len(listed.entries) and set(parts.shown) <= set(listed.numbers)
    if not some or _WRITES.search(parts.wanted):
        return None
    return f"shows numbers of the list as its answer ({join_numbers(parts.shown)})"


def _asked_elsewhere(parts: Parts, listed: NumberedList) -> str | None:
    """As `_asked`, in other languages than English."""
    asked, size = parts.wanted, len(listed.entries)
    if not parts.elsewhere or WRITES_ELSEWHERE.search(asked) or not PICKS_ELSEWHERE.search(asked):
        return None
    if numbers := NUMBERS_ELSEWHERE.search(asked):
        return f"asks for numbers of a list of {size} ('{numbers.group()}')"
    some = any(count < size for count in counts_elsewhere(asked)) or size >= _LONG
    return f"asks for some of a list of {size}" if some and not parts.embedded(listed) else None


def _asked(parts: Parts, listed: NumberedList) -> str | None:
    """Some of the list, or their numbers, by an English wording."""
    asked, size, embedded = parts.wanted, len(listed.entries), parts.embedded(listed)
    called = _OUTPUT.search(asked) or _OUTPUT.fullmatch(parts.cue)
    if not (_PICKS.search(asked) or called):
        return None
    wording = _NUMBERS.search(asked) or called
    if 0 < asked_count(asked) < size and not embedded and not _WRITES.search(asked):
        return f"asks for some of a list of {size}"
    if wording and (not embedded or "list" in asked or "ind" in wording.group()):
        return f"asks for numbers of a list of {size} ('{wording.group()[:40]}')"
    if size >= _LONG and not embedded and not _WRITES.search(asked):
        return f"asks to pick from a list of {size}"
    return None


def asked_count(asked: str) -> int:
    """How many numbers are asked for; 0 where nothing is said."""
    found = next((match for pattern in _COUNTS if (match := pattern.search(asked))), None)
    return number(found["n"]) if found else 0


def asks_for_several(asked: str) -> bool:
    """Whether a verb asks for more than one ("pick two")."""
    return any(number(match["n"]) > 1 for pattern in _COUNTS[:-1] for match in pattern.finditer(asked))
