"""Retrieval: the numbers of a few entries of a list."""

import re
from dataclasses import replace

from app.errors import InputError
from app.tasks.answers import join_numbers, literal, numbers_answer, parse_integers
from app.tasks.base import Options, Reading
from app.tasks.prompt import dissect
from app.tasks.words import NUMBER, WORKED_SOLUTION, either, imperative, number
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
_PICKS = re.compile(
    r"選|选|"
    r"\b"
    + either(
        "wähl", "welche", "eli[gj]", "seleccion", "choisi", "sélectionn", "pilih", "scegli", "tell", "top",
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
        asked = parts.wanted
        if parts.list is None or WORKED_SOLUTION.search(asked) or not _PICKS.search(asked):
            return None
        wording = _NUMBERS.search(asked)
        size = len(parts.list.entries)
        if 0 < asked_count(asked) < size and not parts.embedded(parts.list) and not _WRITES.search(asked):
            return f"asks for some of a list of {size}"
        if wording and (not parts.embedded(parts.list) or "list" in asked or "ind" in wording.group()):
            return f"asks for numbers of a list of {size} ('{wording.group()[:40]}')"
        if size >= _LONG and not parts.embedded(parts.list) and not _WRITES.search(asked):
            return f"asks to pick from a list of {size}"
        return None

    def read(self, question: Question) -> Reading:
        """The listed numbers (1 to 10 where none are), and the count asked for (three where none is)."""
        parts = dissect(question.prompt)
        numbers = parts.list.numbers if parts.list else _DEFAULT
        reading = selection_of(numbers, min(asked_count(parts.asked) or _READ, len(numbers)))
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


def asked_count(asked: str) -> int:
    """How many numbers are asked for; 0 where nothing is said."""
    found = next((match for pattern in _COUNTS if (match := pattern.search(asked))), None)
    return number(found["n"]) if found else 0


def asks_for_several(asked: str) -> bool:
    """Whether a verb asks for more than one ("pick two")."""
    return any(number(match["n"]) > 1 for pattern in _COUNTS[:-1] for match in pattern.finditer(asked))
