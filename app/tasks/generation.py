"""Generation: free text in the language asked for, or a keyphrase copied from a review."""

import re
from dataclasses import dataclass
from enum import StrEnum

from app.errors import InputError
from app.tasks.answers import PARSED_LENGTH, without_preface
from app.tasks.fields import FieldKind
from app.tasks.instructions import Parts, dissect
from app.tasks.languages import target_language
from app.tasks.spans import copied, first_words
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

_COPYING = r"(?:extract|pull|identif|find|locat|choos|select|pick|quot|cop|spot|detect|highlight|pinpoint|mark|take|retriev|exact|verbatim|as is)"
_KEYPHRASE = re.compile(
    r"\bkey ?-?phrases?\b|\b(?:phrases?|snippets?|spans?|excerpts?|wording|words)\b[^\n]{0,80}\breviews?\b|"
    r"\breviews?\b[^\n]{0,120}\b(?:phrases?|snippets?|spans?|excerpts?|words)\b"
)
_COPIES = re.compile(rf"\b{_COPYING}")
_ONE = re.compile(r"\b(?:only one|one|single|1|the|a) (?:[\w-]+ ){0,2}?(?:key ?-?phrase|phrase|snippet|span|excerpt)\b")
_SEVERAL = re.compile(
    r"\b(?P<n>two|three|four|five|[2-9]) (?:[\w-]+ ){0,2}?(?:key ?-?phrases|phrases|snippets|spans|excerpts)\b"
)
_WORDS = {"two": 2, "three": 3, "four": 4, "five": 5}
_KINDS: tuple[tuple[GenerationKind, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        (GenerationKind.REASONING, r"\bstep[ -]by[ -]step\b|\bshow your (?:work|reasoning)\b|\bchain of thought\b|\bhow (?:many|much)\b.*\?\s*(?:$|answer)"),
        (GenerationKind.TRANSLATION, r"\btranslat|\bin(?:to)? (?:german|french|spanish|italian|japanese|english|chinese|portuguese)\b"
                                     r"|\b(?:german|french|spanish|italian|japanese|english|chinese|portuguese)[- ](?:language )?(?:online|shopping|web|store|market|version)"),
        (GenerationKind.ANSWER, r"\b(?:answer|respon(?:d|se)|reply|solution)\b[^\n]{0,80}\b(?:question|query|inquiry|asked)\b|\b(?:question|inquiry)\b[^\n]{0,60}\b(?:answer|respon(?:d|se)|reply)\b"),
        (GenerationKind.KEYWORDS, r"\bkey ?-?(?:word|phrase)s?\b|\b(?:key|main|primary|significant|essential|important)\b[^\n]{0,20}\b(?:feature|attribute|characteristic|aspect)s?\b"),
        (GenerationKind.CATEGORIES, r"\bcategor(?:y|ies)\b[^\n]{0,80}\b(?:belong|fit|falls?|apply|applicable|pertain|possible|suit)|\b(?:classif|categori[sz])"
                                    r"|\b(?:determin|decid|evaluat|which|assign|state)\w*\b[^\n]{0,40}\bcategories\b"),
        (GenerationKind.SUMMARY, r"\bsummar|\bin (?:one|a few|two) (?:sentences?|words)\b|\btl;?dr\b"),
        (GenerationKind.EXPLANATION, r"\bexplain|\bwhy\b|\btell me\b|\bdescribe\b|\bdefin(?:e|ition)\b|\bwhat (?:is|are)\b|\breasons?\b|\bmotivat|\bdiscuss\b|\belaborate\b|\binsights?\b|\babout\b"),
        (GenerationKind.TITLE, r"\b(?:generate|write|create|compose|suggest|propose|craft|draft)\b[^\n]{0,60}\b(?:title|headline|name)\b"),
    )
)  # fmt: skip
_WRITES_TITLE = re.compile(
    r"\b(?:generate|write|create|compose|suggest|propose|craft|draft)\b[^\n]{0,60}\b(?:title|headline|name)\b"
)


@dataclass(frozen=True, slots=True)
class GenerationReading:
    """What to write, in which language, and what to copy from or fall back on.

    `source` is the text that the prompt is about: a review, a title to translate, a question.
    """

    kind: GenerationKind
    language: str
    source: str
    max_spans: int = 1

    @property
    def constraint(self) -> Copy | None:
        """Spans of the review for a keyphrase; free text otherwise."""
        return Copy(self.source, self.max_spans) if self.kind is GenerationKind.KEYPHRASE else None

    @property
    def sampling(self) -> SamplingParams:
        """The cap of the kind, more for languages that take more tokens, and for several phrases."""
        tokens = _TOKENS[self.kind] * _EXPANSION[self.language]
        if self.kind is GenerationKind.KEYPHRASE:
            tokens = _TOKENS[self.kind] * self.max_spans
        return SamplingParams(max_tokens=round(tokens))

    @property
    def variables(self) -> dict[str, str]:
        """`kind`: "translation"; `language`: "German"; `source`: the text the prompt is about."""
        return {"kind": self.kind.value, "language": self.language, "source": self.source}

    def answer(self, text: str) -> Answer:
        """The text without a preface; one line for titles, as the evaluator reads no further."""
        if self.kind is GenerationKind.KEYPHRASE:
            return copied(text, self.source, self.max_spans, first_words(self.source, 4))
        written = without_preface(text)
        if self.kind in {GenerationKind.TRANSLATION, GenerationKind.TITLE}:
            written = _unquoted(_first_line(written), self.source)
        if not written.strip():
            return Answer(self._fallback(), Outcome.FALLBACK)
        return Answer(written, Outcome.CLEAN if written == text.strip() else Outcome.REPAIRED)

    def _fallback(self) -> str:
        """The text itself: untranslated names still count, and no metric reads an empty answer."""
        stripped = " ".join(self.source.split())
        return stripped[: PARSED_LENGTH // 10].strip() or "unknown"


class Generation:
    """Whatever wants text and is none of the other types."""

    type = TaskType.GENERATION

    def matches(self, question: Question) -> bool:
        """Always, unless the evaluator marks the question as multiple choice."""
        return self.evidence(question) is not None

    def evidence(self, question: Question) -> str | None:
        """The kind of text that is asked for."""
        if question.is_multiple_choice:
            return None
        return f"asks for text ({self.read(question).kind.value})"

    def read(self, question: Question) -> GenerationReading:
        """Kind, language and source; English text of unknown kind where the prompt says nothing."""
        parts = dissect(question.prompt)
        asked = parts.asked
        language = target_language(asked)
        kind = _kind(asked, language)
        return GenerationReading(kind, language, _source(parts, kind), _max_spans(asked))

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


def _kind(asked: str, language: str) -> GenerationKind:
    if _KEYPHRASE.search(asked) and _COPIES.search(asked) and "step by step" not in asked:
        return GenerationKind.KEYPHRASE
    if _WRITES_TITLE.search(asked) and language == "English" and "english" not in asked:
        return GenerationKind.TITLE
    return next((kind for kind, pattern in _KINDS if pattern.search(asked)), GenerationKind.TEXT)


def _max_spans(asked: str) -> int:
    if _ONE.search(asked):
        return 1
    several = _SEVERAL.search(asked)
    if several:
        return _WORDS.get(several["n"]) or int(several["n"])
    return 3 if re.search(r"\bphrases\b|\bkeyphrases\b|\bsnippets\b", asked) else 1


def _source(parts: Parts, kind: GenerationKind) -> str:
    """For a keyphrase the review; for a title the quoted one; else the longest piece of data."""
    prose = [field for field in parts.field(FieldKind.PROSE) if field.text not in parts.instructions]
    if kind is GenerationKind.KEYPHRASE and prose:
        reviews = [field for field in prose if "review" in field.label] or prose
        return max(reviews, key=lambda field: len(field.text)).text
    fields = [
        field.text for field in parts.field(FieldKind.PROSE, FieldKind.LINE) if field.text not in parts.instructions
    ]
    quoted = [span.text for span in parts.quoted if not any(span.text in text for text in fields)]
    return max([*fields, *quoted], key=len, default=parts.prompt.strip())


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
