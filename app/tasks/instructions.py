"""The instruction parts of a prompt, as opposed to its data."""

import re
from dataclasses import dataclass
from functools import lru_cache

from app.tasks.fields import Field, FieldKind, find_fields
from app.tasks.numbered_list import NumberedList, find_lists, principal
from app.tasks.quotes import Quoted, find_quoted

_ASK = re.compile(
    r"^[ \t]*(?:(?:now|then|finally|based on (?:this|the above)|from the above)[,]?[ \t]+)?(?:please[ \t]+)?"
    r"(?:you (?:should|must|need to|are asked)|output|respond|answer|reply|return|select|choose|pick|rank|sort|extract"
    r"|identify|translate|summari[sz]e|write|give|list|generate|explain|provide|find|locate|which|what)\b",
    re.IGNORECASE,
)
_TRAILING_LINES = 4
_BLANK = " … "
"""What stands in the instructions where data was."""


@dataclass(frozen=True, slots=True)
class Parts:
    """A prompt taken apart. `instructions` is its text without fields, list entries and quotations."""

    prompt: str
    instructions: str
    instruction_spans: tuple[tuple[int, int], ...]
    fields: tuple[Field, ...]
    lists: tuple[NumberedList, ...]
    quoted: tuple[Quoted, ...]

    @property
    def list(self) -> NumberedList | None:
        """The list that the prompt is about."""
        return principal(self.lists)

    @property
    def asked(self) -> str:
        """The instructions in lower case, white space folded."""
        return " ".join(self.instructions.lower().split())

    def field(self, *kinds: FieldKind) -> tuple[Field, ...]:
        """The fields of these kinds that hold text, in order."""
        return tuple(field for field in self.fields if field.kind in kinds and field.text)

    def in_instructions(self, span: Quoted) -> bool:
        """Whether a quotation stands in the instructions rather than in the data."""
        return any(start <= span.start and span.end <= end for start, end in self.instruction_spans)

    def embedded(self, found: NumberedList) -> bool:
        """Whether a list belongs to a running text, such as the steps of a recipe in a description."""
        if found.labelled:
            return False
        return any(field.kind is FieldKind.PROSE and field.start < found.start < field.end for field in self.fields)


@lru_cache(maxsize=256)
def dissect(prompt: str) -> Parts:
    """Take a prompt apart. Total; linear in its length. The last few results are kept."""
    lists = find_lists(prompt)
    quoted = find_quoted(prompt)
    fields = _without_trailing_ask(prompt, find_fields(prompt), lists)
    data = [(field.line_start, field.end) for field in fields if field.kind in {FieldKind.PROSE, FieldKind.LINE}]
    entries = [(entry.start, entry.end) for found in lists for entry in found.entries]
    spans = _gaps(len(prompt), data + entries)
    quotations = [(span.start, span.end) for span in quoted]
    instructions = _BLANK.join(prompt[a:b] for a, b in _gaps(len(prompt), data + entries + quotations))
    if not _says_something(instructions, fields):
        spans, instructions = _first_text(prompt, fields, quotations)
    return Parts(prompt, instructions, spans, fields, lists, quoted)


def _gaps(length: int, covered: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """What the covered stretches leave of [0, length)."""
    gaps: list[tuple[int, int]] = []
    position = 0
    for start, end in sorted(covered):
        if start > position:
            gaps.append((position, start))
        position = max(position, end)
    if position < length:
        gaps.append((position, length))
    return tuple(gaps)


def _without_trailing_ask(prompt: str, fields: tuple[Field, ...], lists: tuple[NumberedList, ...]) -> tuple[Field, ...]:
    """End the last running text before a line that asks for something ("Please select three numbers.")."""
    texts = [index for index, field in enumerate(fields) if field.kind is FieldKind.PROSE]
    if not texts or any(field.kind is not FieldKind.OUTPUT for field in fields[texts[-1] + 1 :]):
        return fields
    field = fields[texts[-1]]
    start = max((found.end for found in lists if field.start <= found.end < field.end), default=field.start)
    lines = prompt[start : field.end].split("\n")
    end, cut = field.end, field.end
    for line in reversed(lines[1:][-_TRAILING_LINES:]):
        end -= len(line) + 1
        if _ASK.match(line):
            cut = end
    if cut == field.end:
        return fields
    text = prompt[field.start : cut].rstrip()
    shorter = Field(field.label, field.kind, text, field.line_start, field.start, field.start + len(text))
    return (*fields[: texts[-1]], shorter, *fields[texts[-1] + 1 :])


def _says_something(instructions: str, fields: tuple[Field, ...]) -> bool:
    """Whether words are left once the labels themselves are taken away."""
    words = set(re.findall(r"[^\W\d_]{2,}", instructions.lower()))
    labels = {word for field in fields for word in re.findall(r"[^\W\d_]{2,}", field.label)}
    return len(words - labels) >= 2


def _first_text(
    prompt: str, fields: tuple[Field, ...], quotations: list[tuple[int, int]]
) -> tuple[tuple[tuple[int, int], ...], str]:
    """A prompt of fields only asks in its first one ("Input: Explain the product type Scarf")."""
    for field in fields:
        if field.text and field.kind in {FieldKind.PROSE, FieldKind.LINE}:
            outside = [(0, field.start), (field.end, len(prompt))]
            gaps = _gaps(len(prompt), outside + quotations)
            return ((field.start, field.end),), _BLANK.join(prompt[a:b] for a, b in gaps)
    return ((0, len(prompt)),), prompt
