"""The labelled fields of a prompt: "Review: ...", "Query: ...", "Product List: ..."."""

import re
from dataclasses import dataclass
from enum import Enum


class FieldKind(Enum):
    """What a label announces."""

    INSTRUCTION = "instruction"
    PROSE = "prose"
    """Running text over any number of lines, up to the next label."""
    LINE = "line"
    """A name, a title or a query: one line."""
    LIST = "list"
    OUTPUT = "output"
    """The cue after which the answer is to be written."""


_WHOSE = r"(?:(?:the|user|customer|product|item|buyer|shopper|search|full|given|original|source) )*"
_NOUNS: tuple[tuple[FieldKind, str], ...] = (
    (
        FieldKind.OUTPUT,
        r"(?:(?:your|the|final|expected) )?"
        r"(?:output|answer|response|result|reply|solution|ranking|selection)s?(?: ?\(.*)?",
    ),
    (
        FieldKind.INSTRUCTION,
        r"instructions?|tasks?|notes?|rules?|requirements?|guidelines?|(?:output |answer )?format|hints?|goal"
        r"|objective|system|user|prompt|important|remember|attention|request",
    ),
    (
        FieldKind.LIST,
        r".*\blist|products|items|candidates|candidate \w+|options|choices|aspects|(?:review )?snippets|queries"
        r"|brands|categories|statements|numbered \w+|(?:product|query|brand|answer) (?:options|candidates|choices)",
    ),
    (
        FieldKind.PROSE,
        rf"{_WHOSE}(?:reviews?(?: text)?|descriptions?|text|passage|article|paragraph|comment|feedback|story|context"
        r"|document|details|specifications?|about(?: this item)?|bullet points?|sentence|statement|conversation"
        r"|dialogue|transcript|content|body|inputs?|question|inquiry|information|info|history|session"
        r"|(?:action|click|browsing|purchase|query|search|session|event) (?:sequence|history|session|log))",
    ),
    (
        FieldKind.LINE,
        rf"{_WHOSE}(?:query|queries|search(?: (?:term|query|string|text|phrase))?|title|name|keywords?|aspects?|brand"
        r"|category|attribute|entity(?: type)?|type|headline|listing|label|utterance"
        r"|product(?: title| name| type| category| [a-z\d])?|item(?: [a-z\d])?)",
    ),
)
_KINDS = tuple((kind, re.compile(pattern, re.IGNORECASE)) for kind, pattern in _NOUNS)
_LABEL = re.compile(r"^[ \t>*#_]*(?P<label>[^\W\d_][^\n:：\"'.?!]{0,70}?)[ \t*_]*[:：]", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Field:
    """A label and the text that belongs to it. `start` and `end` bound `text`; `line_start` the label."""

    label: str
    kind: FieldKind
    text: str
    line_start: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Label:
    name: str
    kind: FieldKind
    line_start: int
    start: int


def find_fields(prompt: str) -> tuple[Field, ...]:
    """The labelled fields, in order. A label that is not known belongs to the text around it."""
    labels = [label for match in _LABEL.finditer(prompt) if (label := _label(match)) is not None]
    bounds = [*(label.line_start for label in labels[1:]), len(prompt)]
    return tuple(_field(prompt, label, end) for label, end in zip(labels, bounds, strict=False))


def _label(match: re.Match[str]) -> _Label | None:
    name = " ".join(match["label"].lower().split())
    for kind, pattern in _KINDS:
        if pattern.fullmatch(name):
            return _Label(name, kind, match.start(), match.end())
    return None


def _field(prompt: str, label: _Label, next_label: int) -> Field:
    end = next_label
    if label.kind is FieldKind.LINE:
        end = _end_of_line(prompt, label.start, next_label)
    text = prompt[label.start : end]
    start = label.start + len(text) - len(text.lstrip())
    stripped = text.strip()
    return Field(label.name, label.kind, stripped, label.line_start, start, start + len(stripped))


def _end_of_line(prompt: str, start: int, limit: int) -> int:
    """The end of the first line with text in it, as a label may stand on a line of its own."""
    while start < limit and prompt[start].isspace():
        start += 1
    end = prompt.find("\n", start, limit)
    return limit if end < 0 else end
