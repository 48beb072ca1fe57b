"""Generation: free text in the language asked for, or a keyphrase copied from a review."""

import re
from collections.abc import Mapping
from enum import StrEnum
from functools import partial

from app.errors import InputError
from app.tasks.answers import PARSED_LENGTH, copied, first_words, without_preface
from app.tasks.base import Reading
from app.tasks.prompt import FieldKind, Parts, dissect
from app.tasks.words import (
    LANGUAGES,
    NUMBER,
    WORKED_SOLUTION,
    awaited_language,
    either,
    imperative,
    number,
    target_language,
)
from app.types import Answer, Copy, Outcome, Question, SamplingParams, TaskType


class GenerationKind(StrEnum):
    """What is to be written; it decides the length, and for keyphrases the form."""

    REASONING = "reasoning"
    KEYPHRASE = "keyphrase"
    TRANSLATION = "translation"
    TITLE = "title"
    KEYWORDS = "keywords"
    CATEGORIES = "categories"
    ANSWER = "answer"
    SUMMARY = "summary"
    EXPLANATION = "explanation"
    TEXT = "text"


_TOKENS: dict[GenerationKind, int] = {
    GenerationKind.REASONING: 256,  # a worked solution runs to 140 words
    GenerationKind.KEYPHRASE: 32,  # the longest that annotators mark have 12 words
    GenerationKind.TRANSLATION: 96,  # marketplaces cut titles at 200 characters, few go beyond 280
    GenerationKind.TITLE: 96,  # as above
    GenerationKind.KEYWORDS: 48,  # four or five phrases of two or three words
    GenerationKind.CATEGORIES: 64,  # a path of five levels
    GenerationKind.ANSWER: 160,  # shoppers' answers: half under 200 characters, few over 600
    GenerationKind.SUMMARY: 96,  # two sentences
    GenerationKind.EXPLANATION: 96,  # one or two sentences, 300 characters
    GenerationKind.TEXT: 128,  # unknown, so generous: a text cut off reads worse than a slow one
}
"""Output tokens in English, at about four characters a token."""

_EXPANSION: dict[str, float] = {
    "English": 1.0,
    "German": 1.4, "French": 1.4, "Spanish": 1.3, "Italian": 1.4, "Portuguese": 1.4, "Dutch": 1.4,
    "Indonesian": 1.5, "Polish": 1.7, "Swedish": 1.5, "Turkish": 1.6, "Russian": 1.7, "Vietnamese": 1.5,
    "Arabic": 1.8, "Hindi": 2.4, "Thai": 2.4, "Korean": 1.8, "Japanese": 1.8, "Chinese": 1.3,
}  # fmt: skip
"""Tokens for the same text relative to English: byte-pair vocabularies are trained mostly on English."""

_COPY = either(
    "extract", "pull", "identif", "find", "locat", "choos", "select", "pick", "quot", "cop", "spot", "detect",
    "highlight", "pinpoint", "mark", "take", "retriev", "exact", "verbatim", "as is", "which", "what",
)  # fmt: skip
_REVIEWS = r"\b(?:reviews?|feedback|comments?)\b"
_PIECES = either("parts?", "passages?", "phrases?", "snippets?", "spans?", "excerpts?", "wording", "words")
_PHRASE = re.compile(rf"\bkey ?-?phrases?\b|\b{_PIECES}\b[^\n]{{0,80}}{_REVIEWS}|{_REVIEWS}[^\n]{{0,120}}\b{_PIECES}\b")
_PHRASE_OF_REVIEW = re.compile(
    r"\bkey ?-?phrase\b[^.\n]{0,60}\breviews?\b|\breviews?['’]?s?\b[^.\n]{0,60}\bkey ?-?phrase\b"
)
_COPIES = re.compile(rf"\b{_COPY}")
_WRITE = either(
    "invent", "come up with", "make", "generate", "write", "create", "compose", "suggest", "propose", "craft", "draft"
)
_TITLE = re.compile(
    rf"\b{_WRITE}\b[^\n]{{0,60}}\b(?:title|headline|(?<!category )(?<!brand )name)\b"
    r"|\b(?:provide|give|produce) (?:me )?(?:an?|one) (?:[\w-]+ ){0,2}?(?:title|headline|name)\b"
)
_REPLY = either("answer", "respond", "response", "reply", "solution")
_ASKED = either("question", "query", "inquiry", "asked")
_LANGUAGE = either(*(language.lower() for language in LANGUAGES))
_PLACE = either("online", "shopping", "web", "store", "market", "version", "title")
_KEY = either("key", "main", "primary", "significant", "essential", "important")

_KINDS: Mapping[GenerationKind, re.Pattern[str]] = {
    kind: re.compile(either(*patterns))
    for kind, patterns in {
        GenerationKind.REASONING: (WORKED_SOLUTION.pattern, r"\bhow (?:many|much)\b.*\?\s*(?:$|answer)"),
        GenerationKind.TRANSLATION: (
            r"\btranslat",
            rf"\bthe {_LANGUAGE} for\b",
            r"\bübersetz|\btraduc|\btradui|\btraduz|\bterjemah|翻訳|翻译|번역",
            rf"\bin(?:to)? {_LANGUAGE}\b",
            rf"\b{_LANGUAGE}[- ](?:language )?{_PLACE}",
        ),
        GenerationKind.ANSWER: (
            rf"\b{_REPLY}\b[^\n]{{0,80}}\b{_ASKED}\b",
            rf"\b(?:question|inquiry)\b[^\n]{{0,60}}\b{_REPLY}\b",
        ),
        GenerationKind.KEYWORDS: (
            r"\bkey ?-?(?:word|phrase|term)s?\b",
            rf"\b{_WRITE}\b[^.\n]{{0,40}}\b(?:search (?:terms|queries|phrases|strings)|queries)\b",
            rf"\b{_KEY}\b[^\n]{{0,20}}\b(?:feature|attribute|characteristic|aspect)s?\b",
        ),
        GenerationKind.CATEGORIES: (
            r"\bcategor(?:y|ies)\b[^\n]{0,80}\b(?:belong|fit|falls?|apply|applicable|pertain|possible|suit)",
            r"\b(?:determin|decid|evaluat|which|assign|state|name|list)\w*\b[^\n]{0,40}\bcategories\b",
            r"\b(?:classif|categori[sz])",
            r"\bcategory (?:path|tree|name|hierarchy)\b(?! (?:mean|stand|is about))",
        ),
        GenerationKind.SUMMARY: (
            r"\bsummar",
            r"\btl;?dr\b",
            r"\bboil\b[^.\n]{0,60}\bdown\b",
            imperative("condense", "shorten", "sum up", "abridge", "compress"),
        ),
        GenerationKind.EXPLANATION: (
            r"\b(?:explain|explanation|motivat)",
            r"\b(?:why|tell me|describe|define|definition|what is|what are|reasons?|discuss|elaborate)\b",
            r"\b(?:insights?|about)\b",
        ),
        GenerationKind.TITLE: (_TITLE.pattern,),
    }.items()
}


def kind_of(wanted: str, language: str) -> GenerationKind:
    """The kind of text that instructions (in lower case) ask for, in a target language."""
    if _PHRASE.search(wanted) and _COPIES.search(wanted) and not WORKED_SOLUTION.search(wanted):
        return GenerationKind.KEYPHRASE
    if _PHRASE_OF_REVIEW.search(wanted) and "generat" not in wanted:
        return GenerationKind.KEYPHRASE
    if _TITLE.search(wanted) and language == "English" and "english" not in wanted:
        return GenerationKind.TITLE
    kind = next((kind for kind, pattern in _KINDS.items() if pattern.search(wanted)), None)
    return kind or (GenerationKind.ANSWER if "?" in wanted else GenerationKind.TEXT)


def token_cap(kind: GenerationKind, language: str) -> int:
    """Output tokens that a text of this kind may take in a language."""
    return round(_TOKENS[kind] * _EXPANSION[language])


_PIECE = either("key ?-?phrase", "phrase", "snippet", "span", "excerpt")
_ONE = re.compile(rf"\b(?:only one|one|single|1|the|a) (?:[\w-]+ ){{0,2}}?{_PIECE}\b")
_SEVERAL = re.compile(rf"\b{NUMBER} (?:[\w-]+ ){{0,2}}?{_PIECE}s\b")
_PLURAL = re.compile(rf"\b{_PIECE}s\b")
_USUAL = 3


class Generation:
    """Whatever wants text and is none of the other types."""

    type = TaskType.GENERATION

    def evidence(self, question: Question) -> str | None:
        """The kind of text that is asked for; nothing speaks against it."""
        return f"asks for text ({self.read(question).variables['kind']})"

    def read(self, question: Question) -> Reading:
        """Kind, language and source; English text of unknown kind where the prompt says nothing.

        A keyphrase is made of spans of the review. The cap is the kind's, more for languages that take more tokens, and
        for several phrases. Templates may use `kind`: "translation"; `language`: "German"; `source`: the text that the
        prompt is about: a review, a title to translate, a question.
        """
        parts = dissect(question.prompt)
        asked = parts.wanted
        language = target_language(asked, parts.cue)
        kind = _kind(parts, language)
        source = _source(parts, kind)
        variables = {"kind": kind.value, "language": language, "source": source}
        cap = token_cap(kind, language)
        if kind is GenerationKind.KEYPHRASE:
            spans = _max_spans(asked)
            return Reading(
                Copy(source, spans),
                SamplingParams(max_tokens=cap * spans),
                variables,
                lambda text: copied(text, source, spans, first_words(source, 4), as_text=True),
            )
        sampling = SamplingParams(max_tokens=cap, end_loops=True)
        return Reading(None, sampling, variables, partial(_text, kind=kind, source=source))

    def parse(self, answer: str) -> str:
        """Rule: the first 5,000 characters, stripped."""
        return answer[:PARSED_LENGTH].strip()

    def format_target(self, target: object) -> str:
        """The text, or the first of several references.

        Raises:
            InputError: the label is neither text nor a list of texts, or is empty.
        """
        text = target[0] if isinstance(target, list | tuple) and target else target
        if not isinstance(text, str) or not text.strip():
            raise InputError(f"a generation label is text, not {target!r}")
        return text.strip()


def _kind(parts: Parts, language: str) -> GenerationKind:
    """By the wording; where that says nothing, by the labels ("Question: ...", "Title (English):")."""
    kind = kind_of(parts.wanted, language)
    if kind is not GenerationKind.TEXT:
        return kind
    if awaited_language(parts.cue):
        return GenerationKind.TRANSLATION
    asked = any("question" in field.label for field in parts.fields if field.text)
    return GenerationKind.ANSWER if asked else kind


def _max_spans(asked: str) -> int:
    if _ONE.search(asked):
        return 1
    if several := _SEVERAL.search(asked):
        return number(several["n"])
    return _USUAL if _PLURAL.search(asked) else 1


def _source(parts: Parts, kind: GenerationKind) -> str:
    """For a keyphrase the review; for a title the quoted one; else the longest piece of data."""
    prose = parts.data(FieldKind.PROSE)
    if kind is GenerationKind.KEYPHRASE and prose:
        reviews = [field for field in prose if "review" in field.label] or prose
        return max(reviews, key=lambda field: len(field.text)).text
    fields = [field.text for field in parts.data(FieldKind.PROSE, FieldKind.LINE)]
    quoted = [span.text for span in parts.quoted if parts.in_instructions(span)]
    return max([*fields, *quoted], key=len, default=parts.prompt.strip())


def _text(text: str, kind: GenerationKind, source: str) -> Answer:
    """The text without a preface; one line for titles, as the evaluator reads no further."""
    written = without_preface(text)
    if kind in {GenerationKind.TRANSLATION, GenerationKind.TITLE}:
        written = _unquoted(_first_line(written), source)
    if not written.strip():
        # The source itself: untranslated names still count, and no metric reads an empty answer.
        source = " ".join(source.split())[: PARSED_LENGTH // 10].strip()
        return Answer(source or "unknown", Outcome.FALLBACK)
    return Answer(written, Outcome.CLEAN if written == text.strip() else Outcome.REPAIRED)


def _first_line(text: str) -> str:
    """The first line with text; a line that only announces the next ("Here is the title:") is passed over."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) > 1 and lines[0].endswith((":", "：")):
        return lines[1]
    return lines[0] if lines else ""


def _unquoted(text: str, source: str) -> str:
    """Without the quotation marks that a model puts round a title, unless the title itself had them."""
    for opening, closing in ("''", '""', "“”", "‘’", "„“", "«»", "「」"):
        if len(text) > 2 and text[0] == opening and text[-1] == closing and not source.startswith(opening):
            return text[1:-1].strip()
    return text
