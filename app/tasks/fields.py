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


_VERB = (
    r"(?:extract|identify|find|locate|select|choose|pick|list|name|tag|label|mark|give|output|return|write|translate"
    r"|summari[sz]e|explain|describe|classify|rank|sort|order|rate|generate|create|suggest|rewrite|evaluate|read"
    r"|consider|see|for|from|in|of|to|which|what|is|are|best)"
)
_WHOSE = (
    r"(?:(?:the|this|following|user|customer|product|item|buyer|shopper|search|full|given|original|source) )*"
    rf"(?:(?!{_VERB} )[^\W\d_][\w'’-]* )?"
)
"""Words before a label's noun: any one adjective ("German query"), but no verb that makes it an instruction."""
_WHICH = r"(?: ?\([^()]*\))?(?: (?:[a-z]|#?\d{1,2}))?"
"""What tells labels of one kind apart: "title (German)", "review 2", "product A"."""
_NOUNS: tuple[tuple[FieldKind, str], ...] = (
    (
        FieldKind.OUTPUT,
        r"(?:(?:your|the|final|expected|correct|best) )?"
        r"(?:output|answer|response|result|reply|solution|ranking|selection)s?(?: ?\(.*)?",
    ),
    (
        FieldKind.INSTRUCTION,
        r"instructions?|tasks?|notes?|rules?|requirements?|guidelines?|(?:output |answer )?format|hints?|goal"
        r"|objective|role|system|user|prompt|important|remember|attention|request",
    ),
    (
        FieldKind.LIST,
        r".*\blist|products|items|candidates|candidate \w+|options|choices|aspects|(?:review )?snippets|queries"
        r"|brands|categories|statements|numbered \w+|(?:product|query|brand|answer) (?:options|candidates|choices)",
    ),
    (
        FieldKind.PROSE,
        rf"{_WHOSE}(?:reviews?(?: text| body)?|descriptions?|text|passage|article|paragraph|comments?|feedback|story"
        r"|context|document|details|specifications?|about(?: this item)?|bullet points?|sentence|statement|message"
        r"|conversation|dialogue|transcript|content|body|inputs?|question|inquiry|information|info|history|session"
        rf"|(?:action|click|browsing|purchase|query|search|session|event) (?:sequence|history|session|log)){_WHICH}",
    ),
    (
        FieldKind.LINE,
        rf"{_WHOSE}(?:query|queries|search(?: (?:term|query|string|text|phrase))?|title|name|keywords?|aspects?|brand"
        r"|category|attribute(?: name)?|entity(?: type)?|type|headline|listing|label|utterance|string"
        r"|product(?: title| name| type| category)?|item|(?:such)?anfrage|(?:produkt)?titel|produkt|consulta"
        r"|b[uú]squeda|t[ií]tulo|producto?|requête|recherche|titre|produit|kueri|pencarian|judul|produk"
        rf"|クエリ|検索(?:語|キーワード)?|商品名?|タイトル|标题|商品标题|查询){_WHICH}",
    ),
)
_KINDS = tuple((kind, re.compile(pattern, re.IGNORECASE)) for kind, pattern in _NOUNS)
_SEPARATOR = r"(?:[ \t*_]*[:：]| ?=>?(?=[ \t])|[ \t][-–—](?=[ \t]))"
_LABEL = re.compile(rf"^[ \t>*#_]*(?P<label>[^\W\d_][^\n:：=\"'.?!]{{0,70}}?){_SEPARATOR}", re.MULTILINE)
"""A label opens a line. A dash or an equals sign wants space behind it."""
_HEADING = re.compile(r"^#{1,6}[ \t]*(?P<label>[^\W\d_][^\n:：]{0,40})$", re.MULTILINE)
_INLINE_LABEL = re.compile(rf"[.?!] (?P<label>[A-Z][A-Za-z ]{{1,30}}?){_SEPARATOR}")
"""A label behind a sentence opens with a capital letter."""
_CUE = re.compile(r"[ \t>*#_]*(?P<label>[^\W\d_][^\s:：=]*(?:[ \t][^\s:：=]+){0,3})[ \t*_]*[:：=]?")
_LINE_END = re.compile(r"[ \t\r]*\n")
_INLINE_KINDS = frozenset({FieldKind.PROSE, FieldKind.LINE, FieldKind.OUTPUT})


@dataclass(frozen=True, slots=True)
class Field:
    """A label and the text that belongs to it. `start` and `end` bound `text`; `line_start` the label."""

    label: str
    kind: FieldKind
    text: str
    line_start: int
    start: int
    end: int
    inline: bool = False
    """Whether the label stands inside a line, behind a sentence."""


@dataclass(frozen=True, slots=True)
class _Label:
    name: str
    kind: FieldKind
    inline: bool
    line_start: int
    start: int


def find_fields(prompt: str) -> tuple[Field, ...]:
    """The labelled fields, in order. A label that is not known belongs to the text around it."""
    labels = [label for match in _LABEL.finditer(prompt) if (label := _label(match))]
    labels += [label for match in _INLINE_LABEL.finditer(prompt) if (label := _label(match, inline=True))]
    if "#" in prompt:
        labels += [label for match in _HEADING.finditer(prompt) if (label := _label(match))]
    labels.sort(key=lambda label: label.start)
    cue = _cue(prompt)
    if cue and (not labels or labels[-1].line_start < cue.line_start):
        labels.append(cue)
    bounds = [*(label.line_start for label in labels[1:]), len(prompt)]
    return tuple(_field(prompt, label, end) for label, end in zip(labels, bounds, strict=False))


def _label(match: re.Match[str], *, inline: bool = False) -> _Label | None:
    name = " ".join(match["label"].lower().split())
    for kind, pattern in _KINDS:
        if pattern.fullmatch(name):
            if inline and kind not in _INLINE_KINDS:
                return None
            shares_line = inline and not _LINE_END.match(match.string, match.end())
            return _Label(name, kind, shares_line, match.start() + 2 * inline, match.end())
    return None


def _cue(prompt: str) -> _Label | None:
    """A few words and a colon at the very end ("Key phrase:"): whatever they are, the answer goes there."""
    end = len(prompt.rstrip())
    start = prompt.rfind("\n", 0, end) + 1
    is_heading = prompt.startswith("#", start)
    if not is_heading and not prompt.endswith((":", "：", "="), 0, end):
        return None
    sentences = (prompt.rfind(mark, start, end) for mark in (". ", "? ", "! "))
    start = max([start, *(place + 2 for place in sentences if place >= 0)])
    match = _CUE.fullmatch(prompt, start, end)
    if match is None:
        return None
    return _Label(" ".join(match["label"].lower().split()), FieldKind.OUTPUT, False, start, len(prompt))


def _field(prompt: str, label: _Label, next_label: int) -> Field:
    end = next_label
    if label.kind is FieldKind.LINE or label.inline:
        end = _end_of_line(prompt, label.start, next_label)
    text = prompt[label.start : end]
    start = label.start + len(text) - len(text.lstrip())
    stripped = text.strip()
    return Field(label.name, label.kind, stripped, label.line_start, start, start + len(stripped), label.inline)


def _end_of_line(prompt: str, start: int, limit: int) -> int:
    """The end of the first line with text in it, as a label may stand on a line of its own."""
    while start < limit and prompt[start].isspace():
        start += 1
    end = prompt.find("\n", start, limit)
    return limit if end < 0 else end
