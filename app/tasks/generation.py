"""Generation: free text in the language asked for, or a keyphrase copied from a review."""

import re
from dataclasses import dataclass

from app.errors import InputError
from app.tasks.answers import PARSED_LENGTH, without_preface
from app.tasks.fields import FieldKind
from app.tasks.generation_kind import GenerationKind, kind_of, token_cap
from app.tasks.instructions import Parts, dissect
from app.tasks.languages import awaited_language, target_language
from app.tasks.spans import copied, first_words
from app.tasks.wording import NUMBER, either, number
from app.types import Answer, Copy, Outcome, Question, SamplingParams, TaskType

_PIECE = either("key ?-?phrase", "phrase", "snippet", "span", "excerpt")
_ONE = re.compile(rf"\b(?:only one|one|single|1|the|a) (?:[\w-]+ ){{0,2}}?{_PIECE}\b")
_SEVERAL = re.compile(rf"\b{NUMBER} (?:[\w-]+ ){{0,2}}?{_PIECE}s\b")
_PLURAL = re.compile(rf"\b{_PIECE}s\b")
_USUAL = 3


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
        return SamplingParams(max_tokens=token_cap(self.kind, self.language) * self.max_spans)

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
        return not question.is_multiple_choice

    def evidence(self, question: Question) -> str | None:
        """The kind of text that is asked for."""
        if question.is_multiple_choice:
            return None
        return f"asks for text ({self.read(question).kind.value})"

    def read(self, question: Question) -> GenerationReading:
        """Kind, language and source; English text of unknown kind where the prompt says nothing."""
        parts = dissect(question.prompt)
        asked = parts.wanted
        language = target_language(asked, parts.cue)
        kind = _kind(parts, language)
        spans = _max_spans(asked) if kind is GenerationKind.KEYPHRASE else 1
        return GenerationReading(kind, language, _source(parts, kind), spans)

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
    several = _SEVERAL.search(asked)
    if several:
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
