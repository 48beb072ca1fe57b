"""Retrieval: the numbers of a few entries of a list."""

import re
from dataclasses import dataclass

from app.errors import InputError
from app.tasks.answers import complete, is_number_list, join_numbers, literal, numbers_in, parse_integers
from app.tasks.instructions import Parts, dissect
from app.types import Answer, Outcome, Question, SamplingParams, Selection, TaskType

_READ = 3
"""The evaluator reads the first three numbers."""
_DEFAULT = tuple(range(1, 11))
_WORDS = {
    "one": 1, "single": 1, "two": 2, "couple": 2, "three": 3, "four": 4, "five": 5,
    "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
}  # fmt: skip
_N = rf"(?P<n>[1-9][0-9]?|{'|'.join(_WORDS)})"
_UNITS = (
    r"(?:numbers?|ind(?:ex|ices|exes)|integers?|ids?|digits?|products?|items?|aspects?|snippets?|queries|query|brands?|keywords?"
    r"|options?|candidates?|entries|entry|categories|category|phrases?|statements?|attributes?|reviews?|titles?|articles?)"
)
_VERB = r"(?:select|choose|pick|identify|output|find|give|return|list|provide|name|retrieve|recommend|suggest|answer|write|indicate|report)"
_OF_THE_LIST = r"(?<!list of )(?<!list contains )(?<!following )(?<!these )(?<!contains )(?<!among )(?<!out of )(?<!from )(?<!of the )(?<!the )"
_COUNTS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\b{_VERB}\b(?: \w+){{0,3}}? {_N} (?:comma|number|ind(?:ex|ices)|integer|ids?\b|digits?\b)",
        rf"\b(?:top|best)[ -]{_N}\b",
        rf"\b{_VERB}\b(?:,? (?!of\b|from\b|list\b|contains\b)[\w-]+){{0,3}}? {_N}\b(?! ?(?:to|or more|-) )",
        rf"{_OF_THE_LIST}\b{_N} (?:most )?(?:\w+ ){{0,2}}?{_UNITS}\b",
    )
)
_NUMBERS = re.compile(
    r"\bind(?:ex|ices|exes)\b|\bnumbered list\b|\b(?:the|their|its|only|corresponding|\w+) (?:numbers?|ids?|labels?)\b|\bcomma\b"
    r"|\bfrom (?:the |this |following |below |above |given )*(?:list|options|candidates|choices)\b|\bnumbers? (?:of|only)\b|\bintegers\b"
)
_PICKS = re.compile(
    r"\b(?:select|choos|pick|identif|find|retriev|recommend|indicat|determin|predict|guess|mark|tick|return|output|list|name|which|what)"
)
_REASONS = re.compile(r"\bstep[ -]by[ -]step\b|\bshow your (?:work|reasoning)\b")
_WRITES = re.compile(
    r"\bexplain\b|\btranslate\b|\bsummari[sz]e\b|\b(?:write|generate|compose) (?:a|an|the)\b|\bdescribe\b|\bwhy\b"
)
_LONG = 6


@dataclass(frozen=True, slots=True)
class RetrievalReading:
    """The numbers to pick from, and how many."""

    numbers: tuple[int, ...]
    count: int

    @property
    def constraint(self) -> Selection:
        """Distinct listed numbers."""
        return Selection(self.numbers, self.count)

    @property
    def sampling(self) -> SamplingParams:
        """Room for the longest numbers, a comma after each and the end; a digit is a token at worst."""
        return SamplingParams(max_tokens=self.count * (len(str(max(self.numbers))) + 1) + 1)

    @property
    def variables(self) -> dict[str, str]:
        """`count`: "3"; `first` and `last`: the smallest and the largest number."""
        return {"count": str(self.count), "first": str(min(self.numbers)), "last": str(max(self.numbers))}

    def answer(self, text: str) -> Answer:
        """Distinct listed numbers: the model's, then the first unused ones as listed."""
        found = numbers_in(text, self.numbers)
        chosen = join_numbers(complete(found, self.numbers, self.count))
        if not found:
            return Answer(chosen, Outcome.FALLBACK)
        clean = is_number_list(text) and "".join(text.split()) == chosen
        return Answer(chosen, Outcome.CLEAN if clean else Outcome.REPAIRED)


class Retrieval:
    """Questions that want entries picked from a numbered list, by number."""

    type = TaskType.RETRIEVAL

    def matches(self, question: Question) -> bool:
        """A numbered list outside running text, and numbers asked for, or a long list to pick from."""
        return self.evidence(question) is not None

    def evidence(self, question: Question) -> str | None:
        """The list and the wording found."""
        if question.is_multiple_choice:
            return None
        parts = dissect(question.prompt)
        asked = parts.asked
        if parts.list is None or _REASONS.search(asked) or not _PICKS.search(asked):
            return None
        wording = _NUMBERS.search(asked)
        size = len(parts.list.entries)
        if wording and (not parts.embedded(parts.list) or "list" in asked or "ind" in wording.group()):
            return f"asks for numbers of a list of {size} ('{wording.group()[:40]}')"
        if size >= _LONG and not parts.embedded(parts.list) and not _WRITES.search(asked):
            return f"asks to pick from a list of {size}"
        return None

    def read(self, question: Question) -> RetrievalReading:
        """The listed numbers (1 to 10 where none are), and the count asked for (three where none is)."""
        parts = dissect(question.prompt)
        numbers = parts.list.numbers if parts.list else _DEFAULT
        return RetrievalReading(numbers, min(_count(parts), len(numbers)))

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
        numbers = [number for number in values if isinstance(number, int) and not isinstance(number, bool)]
        if not numbers or len(numbers) != len(values):
            raise InputError(f"a retrieval label is a list of whole numbers, not {target!r}")
        return join_numbers(numbers)


def _count(parts: Parts) -> int:
    """How many the instructions ask for."""
    for pattern in _COUNTS:
        match = pattern.search(parts.asked)
        if match:
            return _WORDS.get(match["n"]) or int(match["n"])
    return _READ
