"""Named entity recognition: phrases of a query or a title, copied."""

import re
from collections.abc import Sequence

from app.errors import InputError
from app.tasks.answers import copied, first_words, join_spans, last_words, parse_spans, string_list, word_with_digit
from app.tasks.base import Reading
from app.tasks.prompt import Field, FieldKind, Parts, Quoted, dissect
from app.tasks.words import (
    ATTRIBUTE,
    EXTRACTS,
    SOURCE,
    TEXT,
    VERB_WORD,
    WORKED_SOLUTION,
    either,
    extracts_elsewhere,
    imperative,
)
from app.types import Answer, Copy, Question, SamplingParams, TaskType

_SOURCE_LABEL = re.compile(
    r"quer|title|search|name|text|sentence|string|utterance|headline|listing|product|item|input|keyword|description"
    r"|review|comment|message|content|titel|anfrage|bewertung|beschreibung|rezension|título|consulta|búsqueda|reseña|opinión"
    r"|descripción|titre|requête|recherche|avis|titolo|ricerca|recensione|descrizione|商品|タイトル|クエリ|検索|レビュー|標題|标题|查询|搜索"
    r"|评论|评价|描述|judul|kueri|pencarian|ulasan|deskripsi"
)
TYPE_LABEL = re.compile(r"entity|attribute|type|category|label|brand|aspect")
_BEFORE_SOURCE = re.compile(rf"\b{SOURCE}\b(?: (?:is|reads|of|below|given|called))?\s*[:,=]?\s*$")
_BEFORE_TYPE = re.compile(r"\b(?:type|class|entity|slot|kind|attribute)s?\s*[:,=]?\s*$")
_INLINE = re.compile(
    rf"\b(?:{TEXT}|from|in|{EXTRACTS}[a-z]* [^:\n]{{0,40}}{ATTRIBUTE}(?: names?| values?)?)[ \t]*(?:[:：]"
    rf"|->|→|=>)[ \t]*(?P<text>(?!['\"“‘`「])\S[^\n]{{2,}})$",
    re.MULTILINE | re.IGNORECASE,
)
"""A title or query that ends the line of its question, without quotation marks."""
_INSTRUCTS = re.compile(rf"{VERB_WORD}|\b{TEXT}\b|[.?!:：]\s*$|^\W*(?:you|please|do|answer)\b", re.IGNORECASE)
_INTRODUCED = re.compile(r"^[A-Z]['’\w]*(?: ['’\w]+){1,6}: ")
"""Words that lead in a text ("A buyer typed: ...")."""


def source_text(parts: Parts) -> str:
    """The query or title of the prompt, else a text without label, else all of the prompt."""
    if fields := source_fields(parts):
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
    return next((span for span in short if span != source), None)


_MANY = 5
_LABELS = 20
"""Labels that are read with the instructions: few prompts have more fields than four."""
_TOKENS = 48
"""Titles' longest entities are some 15 words; a small vocabulary needs about three tokens for each."""

_ENTITY = re.compile(r"\bentit(?:y|ies|ys)\b|\bner\b|\bnamed[- ]entit|\bslot[- ]filling\b")
_MEANS = re.compile(
    r"\bwhat (?:does|do|did|is|are|would|should|might)\b[^.?\n]{0,100}?\b(?:mean|stand for|good for"
    r"|used for|refer to|tell|say about"
    r"|understand)\b|\bwhat\b[^.?\n]{0,60}\b(?:means|stands for|refers to)\b|\b(?:meaning"
    r"|pronunciation) of\b|\bpronounced\b"
    r"|\bwhat\b[^.?\n]{0,120}\bis (?:good|used|meant|made) for\b|\bhow (?:does|do|did|is"
    r"|are) (?!.*\b(?:named|called|written)\b)|\bwonders\b|\bexplain\b|\bgive (?:a"
    r"|an) (?:\w+ )?(?:explanation|definition)\b"
)
"""What asks about a word rather than for it."""
_TERM = (
    r"(?:(?:aspect|opinion|sentiment|feature|attribute|target|polarity)s?(?: (?:terms?|words|expressions?"
    r"|targets?|phrases|names))"
    r"|(?:every|each) (?:product )?(?:aspect|feature|opinion|characteristic|material|colou?r|brand|size)"
    r"|(?:product |mentioned )?(?:aspects|features|opinions|characteristics|materials|measurements"
    r"|dimensions|colou?rs|brands|sizes"
    r"|ingredients|adjectives|nouns|entities|names|units))"
)
_PEOPLE = r"(?:reviews?|reviewers?|comments?|feedback|descriptions?|customer|writer|buyer|text|…)"
_TERMS = re.compile(
    rf"\b(?:extract|list|find|get|pull|copy|identify|mark|tag|collect|name|quote|return|highlight|underline|output)\b[^.\n?]{{0,80}}?\b{_TERM}\b"
    rf"[^.\n?]{{0,80}}?\b{_PEOPLE}"
    rf"|\b{_PEOPLE}\b[^\n?]{{0,120}}?\b(?:extract|list|find|get|copy|collect|mark|quote|which|what)\b[^.\n?]{{0,60}}?\b{_TERM}\b"
    rf"|\b{_TERM} (?:\w+ )?(?:mentioned|named|discussed|praised|criticised|criticized|verbatim)\b"
)
"""Kinds of things that people's texts name, in the plural: all of them are wanted."""
_ONE_PHRASE = re.compile(
    r"\bkey ?-?(?:phrase|word|feature|attribute|aspect|characteristic)|\b(?:snippet|passage|excerpt|sentence)s?\b"
    r"|\b(?:translat|summar|rewrite|paraphras|explain|generate|compose|classif|suggest)"
    r"|\b(?:main|primary|key|important|essential|significant|notable|crucial|standout|defining)\b"
    r"|\bthat (?:explain|describe)s? why\b"
)
_IN_QUOTES = r"\b(?:in|from|within|out of|given)[:,]? ['\"`‘“「『«„]? ?…"
_ASKS = re.compile(
    rf"{VERB_WORD}[^\n]{{0,200}}?\b{ATTRIBUTE}\b[^\n]{{0,200}}?(?:\b{TEXT}\b|{_IN_QUOTES})"
    rf"|(?:\b{TEXT}\b|{_IN_QUOTES})[^\n]{{0,200}}?{VERB_WORD}[^\n]{{0,120}}?\b{ATTRIBUTE}\b"
    rf"|\b{EXTRACTS}[a-z]*\b[^\n.?!]{{0,100}}?\b(?:from|in|within|out of|of)\b[^\n.?!]{{0,60}}?(?:\b{TEXT}\b|…)"
    rf"|\b{EXTRACTS}[a-z]*\b[^\n.?!]{{0,60}}?\b(?:from|in|{ATTRIBUTE}(?: names?| values?)?) ?:"
    rf"|\b(?:words?|terms?|phrases?|tokens?|names?|values?|spans?) (?:for|denoting|naming|that name)\b[^.\n?]{{0,50}}?"
    rf"\b(?:in|from|of)\b[^.\n?]{{0,30}}?\b{TEXT}\b"
    r"|\b(?:what|which) (?:tokens?|words?|spans?|parts?|phrases?|substrings?|expressions?) (?:of|in|from)\b"
    rf"|\b(?:what|which)\b[^\n.?!]{{0,60}}?\b(?:mention|appear|occur|express|contain|named)[a-z]*\b[^\n.?!]{{0,40}}?"
    rf"(?:\b{TEXT}\b|…)"
)
"""A verb, a kind of thing and a text; with a verb that means copying, the thing may be of any kind."""
_MARKS = re.compile(
    imperative(
        "extract", "identify", "detect", "tag", "annotate", "spot", "locate", "recogni[sz]e", "copy", "mark",
        "highlight", "isolate", "pinpoint",
    )
    + r"|\b(?:matching|corresponding|respective|exact) (?:words?|phrases?|spans?|tokens?|terms?)\b"
)  # fmt: skip
_LOCATED = re.compile(rf"\b(?:in|from|within|out of|according to) (?:(?!order|addition)[\w'’-]+ ){{0,3}}?{SOURCE}\b")
"""Where the answer is said to stand."""
_EVERY = re.compile(r"\b(?:extract|tag|mark|annotate|identify|highlight) (?:all|every|each|any)\b")
_NAMES_SOURCE = re.compile(rf"\b{SOURCE}\b")
_ASKS_NAMED = re.compile(VERB_WORD)
_ATTRIBUTE_CUE = re.compile(
    r"(?!.*(?:phrase|span|words?|terms?|type|sections?)\b)"
    rf"(?:(?:[\w-]+ )?{ATTRIBUTE}(?: ?\(?s\)?)?|entit(?:y|ies)|values?)"
)
_IN_SOURCE = re.compile(rf"\b{TEXT}\b")
_KEY = either(
    "important", "key", "main", "primary", "essential", "significant", "notable", "crucial", "core", "central",
    "salient", "major", "relevant", "suitable", "critical", "distinctive", "standout",
)  # fmt: skip
_POINT = either(
    "keyword", "term", "word", "phrase", "point", "attribute", "feature", "component", "characteristic", "aspect",
    "detail", "propertie", "qualitie", "element", "trait", "information", "descriptor", "selling point", "function",
)  # fmt: skip
_WRITES = re.compile(
    either(
        r"\bkey ?-?phrases?\b",
        r"\b(?:translat|summar|explain|rewrite|paraphras|classif)",
        imperative("describe"),
        r"\b(?:part|phrase|words?|passage|snippet|span|excerpt)s?\b[^.]{0,60}\b(?:review|feedback|comment)",
        r"\b(?:review|feedback|comment)s?\b[^.]{0,60}\b(?:part|phrase|words?|passage|snippet|span|excerpt)s?\b",
        r"\b(?:category|categories)\b",
        r"\bkeywords? (?:sets?|that summar)",
        r"\b(?:generate|write|create|compose|suggest|propose|craft) (?:an? |one |the (?!(?:matching|exact"
        r"|corresponding|words?|phrases?|spans?|terms?)\b))",
        rf"\b(?:two|three|four|five|six|ten|\d+|{_KEY}) (?:[\w-]+ ){{0,2}}?{_POINT}s\b",
        rf"\b{_KEY} (?:[\w-]+ ){{0,2}}?(?:{_POINT}|property|quality)\b",
        r"\b(?:response|respond|reply) to\b",
        r"\banswer the (?:\w+ )?(?:question|query)",
        WORKED_SOLUTION.pattern,
    )
)
_REASONS = re.compile(r"\b(?:why|how|explain|reasons?|intent\w*|meaning|means?|correct|rewrite|similar|related)\b")
_OTHER = re.compile(
    either(
        r"\breviews?\b[^\n]*\bkey ?-?phrase",
        r"\bkey ?-?phrases?\b[^\n]*\breviews?\b",
        r"\b(?:translat|summari[sz])",
        r"\bexplain (?:what|why|how|the)\b",
        WORKED_SOLUTION.pattern,
    )
)
_QUANTITY = re.compile(
    r"quantit|size|mass|weight|dimension|volume|capacit|count|number|unit|age|year|model|power|voltage|memory"
)
_LEADING = re.compile(r"brand|manufactur|creator|author|line|series|maker")


def entities_of(source: str, entity_type: str) -> Reading:
    """A few phrases of the source. Templates may use `source`, and `entity_type`: what to look for, or "entity"."""

    def answer(text: str) -> Answer:
        """Spans that stand in the source; else a word that is likely for the entity type."""
        # Brands come first in a title, measures hold digits, and most else comes last.
        wanted, guess = entity_type.lower(), last_words(source, 1)
        if _QUANTITY.search(wanted):
            guess = word_with_digit(source) or guess
        elif _LEADING.search(wanted):
            guess = first_words(source, 1)
        return copied(text, source, _MANY, guess)

    variables = {"source": source, "entity_type": entity_type}
    return Reading(Copy(source, _MANY), SamplingParams(max_tokens=_TOKENS), variables, answer)


class NamedEntityRecognition:
    """Questions that want phrases of a query or title, by the kind of thing that they name."""

    type = TaskType.NAMED_ENTITY_RECOGNITION

    def evidence(self, question: Question) -> str | None:
        """The wording: entities by that word, or a named attribute's phrase in a title or query."""
        parts = dissect(question.prompt)
        asked = parts.wanted
        entity = _ENTITY.search(asked) if "entit" in asked or "ner" in asked or "slot" in asked else None
        if entity and not _OTHER.search(asked):
            return f"names an entity ('{entity.group()}')"
        texts = parts.quoted or parts.data(FieldKind.LINE, FieldKind.PROSE) or _ending(parts) or _bare_line(parts)
        if _MEANS.search(asked) or not (texts or _TERMS.search(asked)):
            return None
        named = None if _WRITES.search(asked) else quoted_type(parts)
        if named and _ASKS_NAMED.search(asked) and _IN_SOURCE.search(asked):
            return f"asks for '{named.text}' in a text"
        found = _wording(parts)
        return f"asks for part of a text ('{found[:60]}')" if found else None

    def read(self, question: Question) -> Reading:
        """The text to copy from: the query or title of the prompt, else all its data, else all of it."""
        parts = dissect(question.prompt)
        return entities_of(source_text(parts), _entity_type(parts))

    def parse(self, answer: str) -> list[str]:
        """Rule: a Python list literal of strings if it is one, else text between commas."""
        return parse_spans(answer)

    def format_target(self, target: object) -> str:
        """Spans between commas, or a list literal where a span holds a comma.

        Raises:
            InputError: the label is neither text nor a list of texts, or holds no span.
        """
        spans: Sequence[object] = ()
        if isinstance(target, str):
            spans = string_list(target.strip()) or [target.strip()]
        elif isinstance(target, list | tuple):
            spans = target
        words = [span.strip() for span in spans if isinstance(span, str) and span.strip()]
        if not words or len(words) != len(spans):
            raise InputError(f"an entity label is a list of texts, not {target!r}")
        return join_spans(words)


def _wording(parts: Parts) -> str | None:
    """What asks for words of a text."""
    asked = parts.wanted
    if not parts.list:
        if parts.elsewhere and (found := extracts_elsewhere(_with_labels(parts))):
            return found
        terms = _TERMS.search(_with_labels(parts))
        if terms and not _ONE_PHRASE.search(asked):
            return terms.group()
    if _WRITES.search(asked):
        return None
    if source_fields(parts) and _ATTRIBUTE_CUE.fullmatch(parts.cue):
        return parts.cue
    match = _ASKS.search(_with_labels(parts))
    if not match and (_NAMES_SOURCE.search(asked) or any(f.kind is FieldKind.LINE for f in source_fields(parts))):
        match = _MARKS.search(asked)
    if not match and source_fields(parts):
        match = _EVERY.search(asked)
    if not match and _ASKS_NAMED.search(asked) and not _REASONS.search(asked):
        match = _LOCATED.search(asked)
    return match.group() if match else None


def _with_labels(parts: Parts) -> str:
    """What is asked, with the label of the text it is asked about ("... Query")."""
    labels = [field.label for field in parts.data(FieldKind.LINE, FieldKind.PROSE)]
    return " ".join([parts.wanted, *labels[:_LABELS]])


def _entity_type(parts: Parts) -> str:
    for field in parts.data(FieldKind.LINE):
        if TYPE_LABEL.search(field.label) and len(field.text) <= 60:
            return field.text
    if named := quoted_type(parts):
        return named.text
    found = re.search(rf"\b{ATTRIBUTE}\b", parts.asked)
    return found.group() if found else "entity"
