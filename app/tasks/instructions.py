"""The instruction parts of a prompt, as opposed to its data."""

import re
from bisect import bisect_right
from dataclasses import dataclass, replace
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
_SENTENCE_END = re.compile(r"(?<=[.?!;])[ \t]+")
_FORBIDDEN = re.compile(r"\b(?:do not|don['’]t|never|without|no need to|(?:should|must|may|can) ?not|avoid)\b[^.;!\n]*")
_QUESTION_LABEL = re.compile(r"\b(?:question|inquiry)\b")
_LONG = 400
_TRAILING_LINES = 4
_BLANK = " … "
"""What stands in the instructions where data was."""


_LOOKED_AT = 4_000
"""Characters at either end of the instructions that wordings are looked for in: real ones are shorter."""

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Parts:
    """A prompt taken apart."""

    prompt: str
    spans: tuple[Span, ...]
    """The stretches that are neither field nor list."""
    asked: str
    """Their text in lower case, white space folded, quotations blanked."""
    wanted: str
    """The same without what is forbidden ("Do not give explanations.")."""
    fields: tuple[Field, ...]
    asking: Field | None
    """The field that is itself the question, in a prompt of nothing but fields."""
    lists: tuple[NumberedList, ...]
    list: NumberedList | None
    """The list that the prompt is about."""
    quoted: tuple[Quoted, ...]

    @property
    def cue(self) -> str:
        """The label at the end that waits for the answer ("brand"), in lower case; empty where there is none."""
        last = self.fields[-1] if self.fields else None
        return last.label if last and not last.text else ""

    def data(self, *kinds: FieldKind) -> tuple[Field, ...]:
        """The fields of these kinds that hold text and are not the question, in order."""
        return tuple(field for field in self.fields if field.kind in kinds and field.text and field is not self.asking)

    def in_instructions(self, span: Quoted) -> bool:
        """Whether a quotation stands in the instructions rather than in the data."""
        index = bisect_right(self.spans, span.start, key=_start) - 1
        return index >= 0 and span.end <= self.spans[index][1]

    def embedded(self, found: NumberedList) -> bool:
        """Whether a list belongs to a running text, such as the steps of a recipe in a description."""
        index = bisect_right(self.fields, found.start, key=lambda field: field.start) - 1
        if found.labelled or index < 0:
            return False
        field = self.fields[index]
        return field.kind is FieldKind.PROSE and field.start < found.start < field.end


@lru_cache(maxsize=256)
def dissect(prompt: str) -> Parts:
    """Take a prompt apart. Total; linear in its length. The last few results are kept."""
    lists = find_lists(prompt)
    quoted = find_quoted(prompt)
    fields = tuple(_without_inline_ask(field) for field in _up_to_ask(prompt, find_fields(prompt), quoted))
    fields = _without_trailing_ask(prompt, fields, lists)
    data = [(field.line_start, field.end) for field in fields if field.kind in {FieldKind.PROSE, FieldKind.LINE}]
    entries = [(entry.line_start, entry.end) for found in lists for entry in found.entries]
    spans = _gaps(len(prompt), data + entries)
    quotations = [(span.start, span.end) for span in quoted]
    instructions = _BLANK.join(prompt[a:b] for a, b in _gaps(len(prompt), data + entries + quotations))
    asking = None
    if not _says_something(instructions, fields):
        asking = _asking(fields)
        spans = ((asking.start, asking.end),) if asking else ((0, len(prompt)),)
        outside = [(0, spans[0][0]), (spans[0][1], len(prompt))]
        instructions = _BLANK.join(prompt[a:b] for a, b in _gaps(len(prompt), outside + quotations))
    text = _both_ends(instructions.lower())
    wanted = _folded(_FORBIDDEN.sub(" ", text))
    return Parts(prompt, spans, _folded(text), wanted, fields, asking, lists, principal(lists), quoted)


def _start(span: Span) -> int:
    return span[0]


def _folded(text: str) -> str:
    return " ".join(text.split())


def _both_ends(text: str) -> str:
    if len(text) <= 2 * _LOOKED_AT:
        return text
    return f"{text[:_LOOKED_AT]}\n{text[-_LOOKED_AT:]}"


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


def _up_to_ask(prompt: str, fields: tuple[Field, ...], quoted: tuple[Quoted, ...]) -> tuple[Field, ...]:
    """Quoted lines of data without the question that follows them ("Given the query: '...', select")."""
    openings = {span.start: span for span in quoted}

    def shorter(field: Field) -> Field:
        span = openings.get(field.start + 1)
        if field.kind is not FieldKind.LINE or span is None:
            return field
        if not _ASK.match(prompt[span.end + 1 : field.end].lstrip(" .,;:")):
            return field
        return Field(field.label, field.kind, span.text, field.line_start, span.start, span.end)

    return tuple(shorter(field) for field in fields)


def _without_inline_ask(field: Field) -> Field:
    """End a text that shares its line with instructions before the sentence that asks for something."""
    if not field.inline and field.kind is not FieldKind.LINE:
        return field
    sentences = [(match.start(), match.end()) for match in _SENTENCE_END.finditer(field.text)][-_TRAILING_LINES:]
    cut = len(field.text)
    for end, start in reversed(sentences):
        if not field.text[start].isupper() or not _ASK.match(field.text[start : start + _LONG]):
            break
        cut = end
    text = field.text[:cut]
    return replace(field, text=text, end=field.start + cut)


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


def _asking(fields: tuple[Field, ...]) -> Field | None:
    """The field that is the question: the one that says so, else the first running text."""
    texts = [field for field in fields if field.text and field.kind is FieldKind.PROSE]
    questions = [field for field in texts if _QUESTION_LABEL.search(field.label)]
    return next(iter(questions or texts), None)


def _says_something(instructions: str, fields: tuple[Field, ...]) -> bool:
    """Whether words are left once the labels themselves are taken away."""
    if len(instructions) > _LONG:
        return True
    words = set(re.findall(r"[^\W\d_]{2,}", instructions.lower()))
    labels = {word for field in fields for word in re.findall(r"[^\W\d_]{2,}", field.label)}
    return len(words - labels) >= 2
