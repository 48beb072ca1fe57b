"""Copying: spans of a source text, in the form that the evaluator reads."""

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

from app.tasks.answers import PARSED_LENGTH, find_in, join_spans, split_spans, string_list, without_preface
from app.types import Answer, Outcome

_LONGEST = 300
"""Characters of a span: a phrase, not a paragraph."""
_TRIED = 100
"""Different spans of an answer that are looked for: each is looked for in all of the source."""
_WORD = re.compile(r"\S+")


def copied(text: str, source: str, max_spans: int, fallback: str) -> Answer:
    """The spans of `source` that a model's text names, at most `max_spans`.

    What stands in the source but for case and white space is taken as the source has it; what does not
    stand there is dropped. `fallback` is the answer where nothing is left.
    """
    spans, exact = _found(text, source, max_spans)
    if not spans:
        shared = _shared_words(text, source)
        spans = [shared] if shared else []
    if not spans:
        return Answer(join_spans([fallback]), Outcome.FALLBACK)
    joined = join_spans(spans)
    while len(joined) > PARSED_LENGTH:
        spans, exact = spans[:-1], False
        joined = join_spans(spans)
    clean = exact and text.strip() in {joined, ",".join(spans), str(spans)}
    return Answer(joined, Outcome.CLEAN if clean else Outcome.REPAIRED)


def one_copied(text: str, source: str) -> tuple[str, bool] | None:
    """The one span of `source` that a text stands for, commas included, and whether it stood there exactly."""
    whole = text.strip()
    for candidate in (whole, without_preface(whole).split("\n")[0], without_preface(whole).strip(" \t\r\n'\"`“”‘’.")):
        found = find_in(source, candidate[:_LONGEST]) if candidate else None
        if found and found.strip():
            return found.strip(), found == whole
    return None


def _found(text: str, source: str, max_spans: int) -> tuple[list[str], bool]:
    if max_spans == 1 and string_list(text[:PARSED_LENGTH].strip()) is None:
        whole = one_copied(text[:PARSED_LENGTH], source)
        if whole:
            return [whole[0]], whole[1]
    written = split_spans(without_preface(text[:PARSED_LENGTH]))
    found = [find_in(source, span[:_LONGEST]) for span in list(dict.fromkeys(written))[:_TRIED]]
    spans = list(dict.fromkeys(span.strip() for span in found if span and span.strip()))[:max_spans]
    return spans, spans == written


def _shared_words(text: str, source: str) -> str | None:
    """The longest run of words that a text shares with the source, where one of them has three letters."""
    there = list(_WORD.finditer(source))
    words = [_bare(match.group()) for match in there]
    written = [_bare(word) for word in text[:_LONGEST].split()]
    match = SequenceMatcher(None, words, written).find_longest_match()
    run = there[match.a : match.a + match.size]
    if not any(len(word) > 2 for word in words[match.a : match.a + match.size]):
        return None
    return _stretch(source, run)


def _bare(word: str) -> str:
    return word.lower().strip(".,;:!?'\"()[]")


def first_words(source: str, count: int) -> str:
    """The first words of a text as they stand there; never empty."""
    return _stretch(source, list(_WORD.finditer(source))[:count])


def last_words(source: str, count: int) -> str:
    """The last words of a text as they stand there; never empty."""
    return _stretch(source, list(_WORD.finditer(source))[-count:])


def word_with_digit(source: str) -> str | None:
    """The first word that holds a digit."""
    match = re.search(r"\S*\d\S*", source)
    return match.group() if match else None


def _stretch(source: str, words: Sequence[re.Match[str]]) -> str:
    if not words:
        return "unknown"
    return source[words[0].start() : words[-1].end()][:_LONGEST].strip(" ,;:\"'()[]") or words[0].group()[:_LONGEST]
