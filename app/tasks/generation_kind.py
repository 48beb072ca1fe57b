"""The kinds of text that a prompt may ask for, and how long each may be."""

import re
from enum import StrEnum

from app.tasks.languages import LANGUAGES
from app.tasks.wording import WORKED_SOLUTION, either, imperative


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

_KINDS: tuple[tuple[GenerationKind, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(either(*patterns)))
    for kind, patterns in (
        (GenerationKind.REASONING, (WORKED_SOLUTION.pattern, r"\bhow (?:many|much)\b.*\?\s*(?:$|answer)")),
        (
            GenerationKind.TRANSLATION,
            (
                r"\btranslat",
                rf"\bthe {_LANGUAGE} for\b",
                r"\bübersetz|\btraduc|\btradui|\btraduz|\bterjemah|翻訳|翻译|번역",
                rf"\bin(?:to)? {_LANGUAGE}\b",
                rf"\bthe {_LANGUAGE} for\b",
                rf"\b{_LANGUAGE}[- ](?:language )?{_PLACE}",
            ),
        ),
        (
            GenerationKind.ANSWER,
            (rf"\b{_REPLY}\b[^\n]{{0,80}}\b{_ASKED}\b", rf"\b(?:question|inquiry)\b[^\n]{{0,60}}\b{_REPLY}\b"),
        ),
        (
            GenerationKind.KEYWORDS,
            (
                r"\bkey ?-?(?:word|phrase|term)s?\b",
                rf"\b{_WRITE}\b[^.\n]{{0,40}}\b(?:search (?:terms|queries|phrases|strings)|queries)\b",
                rf"\b{_KEY}\b[^\n]{{0,20}}\b(?:feature|attribute|characteristic|aspect)s?\b",
            ),
        ),
        (
            GenerationKind.CATEGORIES,
            (
                r"\bcategor(?:y|ies)\b[^\n]{0,80}\b(?:belong|fit|falls?|apply|applicable|pertain|possible|suit)",
                r"\b(?:determin|decid|evaluat|which|assign|state|name|list)\w*\b[^\n]{0,40}\bcategories\b",
                r"\b(?:classif|categori[sz])",
                r"\bcategory (?:path|tree|name|hierarchy)\b(?! (?:mean|stand|is about))",
            ),
        ),
        (
            GenerationKind.SUMMARY,
            (
                r"\bsummar",
                r"\btl;?dr\b",
                r"\bboil\b[^.\n]{0,60}\bdown\b",
                imperative("condense", "shorten", "sum up", "abridge", "compress"),
            ),
        ),
        (
            GenerationKind.EXPLANATION,
            (
                r"\b(?:explain|explanation|motivat)",
                r"\b(?:why|tell me|describe|define|definition|what is|what are|reasons?|discuss|elaborate)\b",
                r"\b(?:insights?|about)\b",
            ),
        ),
        (GenerationKind.TITLE, (_TITLE.pattern,)),
    )
)


def kind_of(wanted: str, language: str) -> GenerationKind:
    """The kind of text that instructions (in lower case) ask for, in a target language."""
    if _PHRASE.search(wanted) and _COPIES.search(wanted) and not WORKED_SOLUTION.search(wanted):
        return GenerationKind.KEYPHRASE
    if _PHRASE_OF_REVIEW.search(wanted) and "generat" not in wanted:
        return GenerationKind.KEYPHRASE
    if _TITLE.search(wanted) and language == "English" and "english" not in wanted:
        return GenerationKind.TITLE
    kind = next((kind for kind, pattern in _KINDS if pattern.search(wanted)), None)
    return kind or (GenerationKind.ANSWER if "?" in wanted else GenerationKind.TEXT)


def token_cap(kind: GenerationKind, language: str) -> int:
    """Output tokens that a text of this kind may take in a language."""
    return round(_TOKENS[kind] * _EXPANSION[language])
