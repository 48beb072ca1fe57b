"""The text that entities are to be copied from."""

import re

from app.tasks.entity_words import SOURCE, TEXT, VERB_WORD
from app.tasks.fields import Field, FieldKind
from app.tasks.instructions import Parts
from app.tasks.quotes import Quoted

_SOURCE_LABEL = re.compile(
    r"quer|title|search|name|text|sentence|string|utterance|headline|listing|product|item|input|keyword|description"
    r"|review|comment|message|content"
)
TYPE_LABEL = re.compile(r"entity|attribute|type|category|label|brand|aspect")
_BEFORE_SOURCE = re.compile(rf"\b{SOURCE}\b(?: (?:is|reads|of|below|given|called))?\s*[:,=]?\s*$")
_BEFORE_TYPE = re.compile(r"\b(?:type|class|entity|slot|kind|attribute)s?\s*[:,=]?\s*$")
_INLINE = re.compile(
    rf"\b(?:{TEXT}|from|in)[ \t]*[:：][ \t]*(?P<text>(?!['\"“‘`「])\S[^\n]{{2,}})$", re.MULTILINE | re.IGNORECASE
)
"""A title or query that ends the line of its question, without quotation marks."""
_INSTRUCTS = re.compile(rf"{VERB_WORD}|\b{TEXT}\b|[.?!:：]\s*$|^\W*(?:you|please|do|answer)\b", re.IGNORECASE)
_INTRODUCED = re.compile(r"^[A-Z]['’\w]*(?: ['’\w]+){1,6}: ")
"""Words that lead in a text ("A buyer typed: ...")."""


def has_source(parts: Parts) -> bool:
    """Whether the prompt holds a text apart from its instructions."""
    return bool(parts.quoted or parts.data(FieldKind.LINE, FieldKind.PROSE) or _ending(parts) or _bare_line(parts))


def source_text(parts: Parts) -> str:
    """The query or title of the prompt, else a text without label, else all of the prompt."""
    fields = source_fields(parts)
    if fields:
        return _unquoted(fields[0].text)
    quoted = _quoted_source(parts)
    return _ending(parts) or (quoted.text if quoted else _bare_line(parts)) or parts.prompt.strip()


def _ending(parts: Parts) -> str:
    """A text that ends the line of its question."""
    inline = _INLINE.search(parts.prompt)
    return inline["text"].strip() if inline else ""


def _bare_line(parts: Parts) -> str:
    """The longest line of the instructions that asks for nothing and is no sentence."""
    lines = [line.strip() for start, end in parts.spans for line in parts.prompt[start:end].splitlines()]
    longest = max((line for line in lines if line and not _INSTRUCTS.search(line)), key=len, default="")
    return _INTRODUCED.sub("", longest)


def source_fields(parts: Parts) -> list[Field]:
    """The fields to copy from; not one that is itself the question ("Input: Find the 'SIZE' in ...")."""
    return [
        field
        for field in parts.data(FieldKind.LINE, FieldKind.PROSE)
        if _SOURCE_LABEL.search(field.label) and not TYPE_LABEL.search(field.label.removeprefix("product "))
    ]


def _quoted_source(parts: Parts) -> Quoted | None:
    """The quotation that follows a word for a text ("product title '...'"), else the longest."""
    if not parts.quoted:
        return None
    others = []
    for span in parts.quoted:
        before = parts.prompt[max(0, span.start - 40) : span.start - 1].lower()
        if _BEFORE_SOURCE.search(before):
            return span
        if not _BEFORE_TYPE.search(before):
            others.append(span)
    return max(others, key=lambda span: len(span.text), default=None)


def _unquoted(text: str) -> str:
    pairs = {"'": "'", '"': '"', "“": "”", "‘": "’", "「": "」"}
    stripped = text.strip()
    if len(stripped) > 2 and pairs.get(stripped[0]) == stripped[-1]:
        return stripped[1:-1].strip() or stripped
    return stripped


def quoted_type(parts: Parts) -> Quoted | None:
    """A short quotation that names what to look for, next to a longer text to look in."""
    unquoted = parts.data(FieldKind.LINE, FieldKind.PROSE) or _INLINE.search(parts.prompt)
    if not unquoted and len(parts.quoted) < 2:
        return None
    source = None if source_fields(parts) or _INLINE.search(parts.prompt) else _quoted_source(parts)
    short = [span for span in parts.quoted if len(span.text) <= 40 and parts.in_instructions(span)]
    others = [span for span in short if span != source]
    return others[0] if others else None
