"""Reading a model's text, and the competition's own rules for reading an answer (kit parsers 0.1.1)."""

import ast
import re
import unicodedata
import warnings
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher

from app.types import Answer, Outcome

PARSED_LENGTH = 5_000
"""Characters of an answer that the evaluator looks at."""

_NUMBER = re.compile(r"(?<![0-9.])[0-9]{1,9}(?![0-9])(?!\.[0-9])")
_NUMBER_RUN = re.compile(r"[0-9]{1,9}(?:[ \t]*[,;>、，|/][ \t]*[0-9]{1,9}(?![0-9]))+")
_NUMBER_LIST = re.compile(r"\s*[0-9]{1,9}(?:\s*,\s*[0-9]{1,9})*\s*")
_COMMA = re.compile(r"\s*(?:(?<![0-9]),|,(?![0-9]{3}(?![0-9]))|[;、，\n])\s*")
_EDGES = " \t\r\n'\"`“”‘’*-•"
_PREFACE = re.compile(
    r"^(?:(?:sure|certainly|of course|okay|ok)\b[^\n:：]{0,80}[:：]|(?:the )?(?:final )?(?:output|answer|response"
    r"|result|translation|translated title|title|entity|entities|key ?phrases?|keywords?|phrases?|ranking|explanation)"
    r"[ \t]*(?:is|are)?[ \t]*[:：])[ \t]*\n?",
    re.IGNORECASE,
)


def numbers_in(text: str, allowed: Iterable[int]) -> list[int]:
    """The distinct allowed numbers that a text names, in order; those of its longest comma run first.

    Full-width and other compatibility digits are read as plain ones.
    """
    plain = unicodedata.normalize("NFKC", text[:PARSED_LENGTH])
    run = max(_NUMBER_RUN.findall(plain), key=len, default="")
    found = [int(digits) for digits in [*_NUMBER.findall(run), *_NUMBER.findall(plain)]]
    permitted = set(allowed)
    return list(dict.fromkeys(number for number in found if number in permitted))


def complete(chosen: Sequence[int], numbers: Sequence[int], count: int) -> tuple[int, ...]:
    """`count` distinct numbers: the chosen ones, then the unchosen in their listed order."""
    rest = [number for number in numbers if number not in set(chosen)]
    return tuple([*chosen, *rest][:count])


def join_numbers(numbers: Iterable[int]) -> str:
    """The form the evaluator reads: "2,1,3"."""
    return ",".join(str(number) for number in numbers)


def numbers_answer(text: str, numbers: Sequence[int], count: int) -> Answer:
    """`count` distinct numbers of the list: those that a model wrote, then the unwritten ones as listed."""
    found = numbers_in(text, numbers)
    chosen = join_numbers(complete(found, numbers, count))
    if not found:
        return Answer(chosen, Outcome.FALLBACK)
    clean = _NUMBER_LIST.fullmatch(text) and "".join(text.split()) == chosen
    return Answer(chosen, Outcome.CLEAN if clean else Outcome.REPAIRED)


def parse_integers(answer: str) -> list[int]:
    """Rule: keep numeric characters, commas and spaces; split at commas; integers only."""
    kept = "".join(char for char in answer[:PARSED_LENGTH] if char.isnumeric() or char in ", ")
    return [number for part in kept.split(",") if (number := _integer(part)) is not None]


def parse_spans(answer: str) -> list[str]:
    """Rule: a Python list literal of strings if it is one, else split at commas, strip, drop empties."""
    text = answer[:PARSED_LENGTH]
    literal = string_list(text)
    return [part.strip() for part in text.split(",") if part.strip()] if literal is None else literal


def string_list(text: str) -> list[str] | None:
    """The list of strings that a text is the Python literal of, or None."""
    value = literal(text)
    return value if isinstance(value, list) and all(isinstance(part, str) for part in value) else None


def literal(text: str) -> object:
    """The value of a Python literal, or None for a text that is not one."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an invalid escape in a model's text concerns nobody
            value: object = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    return value


def join_spans(spans: Sequence[str]) -> str:
    """Spans in the form that `parse_spans` gives back unchanged.

    Plain text between commas where that is enough; a list literal where a span holds a comma.
    """
    plain = ", ".join(spans)
    return plain if parse_spans(plain) == list(spans) else repr(list(spans))


def split_spans(text: str) -> list[str]:
    """The spans that a model wrote: a list literal, or text between commas or lines.

    "1,000" is one span.
    """
    literal_spans = string_list(text.strip()[:PARSED_LENGTH]) if text.lstrip().startswith("[") else None
    parts = literal_spans if literal_spans is not None else _COMMA.split(text.strip(" []\t\r\n"))
    return [part for raw in parts if (part := raw.strip())]


def find_in(source: str, span: str) -> str | None:
    """The text of `source` that a span stands for: as it is, or but for case, white space and marks at its edges."""
    return _find(source, span) or _find(source, span.strip(_EDGES))


def _find(source: str, span: str) -> str | None:
    if span and span in source:
        return span
    start = source.lower().find(span.lower())
    if start >= 0 and len(source.lower()) == len(source):
        return source[start : start + len(span)].strip() or None
    words = span.split()
    if not 0 < len(words) <= 40:
        return None
    match = re.search(r"\s+".join(re.escape(word) for word in words), source, re.IGNORECASE)
    return match.group() if match else None


def without_preface(text: str) -> str:
    """A model's text without "Sure, here it is:" or "Translation:" before it and code fences round it."""
    text = re.sub(r"^```\w*[ \t]*\n?|\n?```$", "", text.strip())
    return _PREFACE.sub("", text, count=1).strip()


def _integer(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:  # a blank, "1 2", "½", or more digits than Python converts
        return None


_LONGEST = 300
"""Characters of a span: a phrase, not a paragraph."""
_TRIED = 100
"""Different spans of an answer that are looked for: each is looked for in all of the source."""
_WORD = re.compile(r"\S+")


def copied(text: str, source: str, max_spans: int, fallback: str, *, as_text: bool = False) -> Answer:
    """The spans of `source` that a model's text names, at most `max_spans`.

    What stands in the source but for case and white space is taken as the source has it; what does not
    stand there is dropped. `fallback` is the answer where nothing is left. `as_text` is for answers that the evaluator
    compares as they stand: spans are between commas, whatever they hold, and never a list literal.
    """
    join = ", ".join if as_text else join_spans
    spans, exact = _found(text, source, max_spans)
    if not spans and (shared := _shared_words(text, source)):
        spans = [shared]
    if not spans:
        return Answer(join([fallback]), Outcome.FALLBACK)
    joined = join(spans)
    while len(joined) > PARSED_LENGTH:
        spans, exact = spans[:-1], False
        joined = join(spans)
    clean = exact and text.strip() in {joined, *(() if as_text else (",".join(spans), str(spans)))}
    return Answer(joined, Outcome.CLEAN if clean else Outcome.REPAIRED)


def _found(text: str, source: str, max_spans: int) -> tuple[list[str], bool]:
    """The spans, and whether they stand in the source as they were written."""
    whole = text[:PARSED_LENGTH].strip()
    plain = without_preface(whole)
    if max_spans == 1 and string_list(whole) is None:
        # The one span may hold commas.
        for candidate in filter(None, (whole, plain.split("\n")[0], plain.strip(" \t\r\n'\"`“”‘’."))):
            one = find_in(source, candidate[:_LONGEST])
            if one and one.strip():
                return [one.strip()], one == whole
    written = split_spans(plain)
    found = [find_in(source, span[:_LONGEST]) for span in list(dict.fromkeys(written))[:_TRIED]]
    spans = list(dict.fromkeys(span.strip() for span in found if span and span.strip()))[:max_spans]
    return spans, spans == written


def _shared_words(text: str, source: str) -> str | None:
    """The longest run of words that a text shares with the source, where one of them has three letters."""
    there = list(_WORD.finditer(source))
    words = [_bare(match.group()) for match in there]
    written = [_bare(word) for word in text[:_LONGEST].split()]
    match = SequenceMatcher(None, words, written).find_longest_match()
    run = there[match.a : match.a + match.size]
    if not any(len(word) > 2 for word in words[match.a : match.a + match.size]):
        return None
    return _stretch(source, run)


def _bare(word: str) -> str:
    return word.lower().strip(".,;:!?'\"()[]")


def first_words(source: str, count: int) -> str:
    """The first words of a text as they stand there; never empty."""
    return _stretch(source, list(_WORD.finditer(source))[:count])


def last_words(source: str, count: int) -> str:
    """The last words of a text as they stand there; never empty."""
    return _stretch(source, list(_WORD.finditer(source))[-count:])


def word_with_digit(source: str) -> str | None:
    """The first word that holds a digit."""
    match = re.search(r"\S*\d\S*", source)
    return match.group() if match else None


def _stretch(source: str, words: Sequence[re.Match[str]]) -> str:
    if not words:
        return "unknown"
    return source[words[0].start() : words[-1].end()][:_LONGEST].strip(" ,;:\"'()[]") or words[0].group()[:_LONGEST]
