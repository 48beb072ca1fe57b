"""Multiple choice: one label, because the evaluator reads the first character of the answer."""

import re
from dataclasses import replace

from app.errors import InputError
from app.tasks.answers import PARSED_LENGTH
from app.tasks.base import Options, Reading
from app.tasks.lists import NumberedList
from app.tasks.prompt import Parts, dissect
from app.tasks.ranking import Ranking
from app.tasks.retrieval import asks_for_several
from app.tasks.words import NUMBER, WORKED_SOLUTION, imperative, number
from app.types import Answer, Choice, Outcome, Question, SamplingParams, TaskType

_NO_YES, _DEFAULT = ("0", "1"), ("0", "1", "2", "3")
_RATES = re.compile(
    r"\b(?:rat(?:e|es|ed|ing)|scor(?:e|es|ed|ing)|scal(?:e|es)|stars?|grad(?:e|es|ing)|evaluat(?:e|es|ing)|judg(?:e|es)"
    r"|assess|sentiment|points?|level)\b"
)
_SCALE = re.compile(
    r"(?<![\d.,])(?:(?P<low>[01])|one)\s*(?:\([^()\n]{0,60}\)\s*|(?:stars?|points?)\s|(?:being|is|=|means?|for)\b[^.\d\n]{0,40}?\s)?"
    rf"(?:-|–|—|to|through|and|\.\.+|…|up to)\s*{NUMBER}(?![\d.,]*\d)"
)
_STEPS = re.compile(rf"\b{NUMBER}[- ](?:point|level|step|star (?:scale|rating))s?\b")
_OUT_OF = re.compile(rf"\b(?:stars?|points?|rating|score)\b[^.\n]{{0,20}}\bout of {NUMBER}\b")
_MEANING = re.compile(
    r"(?<![\w.])(?P<number>[0-9])['\"]?\s*"
    r"(?:=|(?:if|for|means?|denotes?|indicates?|when|stands|represents?|otherwise|as|being)\b|\((?=[a-z])|:\s*(?=[a-z]))"
    r"|(?<![\w.])(?P<before>[0-9]) [a-z][a-z ]{1,30}(?=\s?/)|(?<=/)\s?(?P<after>[0-9]) (?=[a-z])"
)
_YES_NO = re.compile(r"\b(?:yes|true)\s*(?:/|or|and|if\b.{0,200}?\b)\s*(?:no|false)\b|\bbinary\b")
_LABEL_IN_TEXT = re.compile(r"(?<![\w.,])(?:[0-9A-Z](?!\w|[.,][0-9])|[a-z](?=[).:]))")
"""A digit or capital that stands alone; a small letter only as a label, because "a" is also a word."""


_TO_RATE = re.compile(
    imperative("rate", "evaluate", "score", "grade", "judge", "assess", "assign", "predict", "estimate", "guess")
    + r"|\bhow\b|\b(?:what|which|the|star) (?:star )?(?:rating|score)\b"
)
_ONE = re.compile(
    r"\b(?:which|what|who|where|when|how|choose|select|pick|tick|answer|option|choice|best|correct|right|wähl\w*|welche\w*|was"
    r"|antwort\w*|elig\w*|elij\w*|seleccion\w*|cuál\w*|qué|respuesta|choisi\w*|sélectionn\w*|quel\w*|réponse|scegli\w*|quale"
    r"|risposta|pilih\w*|mana|jawaban)\b|選|选|どれ|どの|哪|答|[?？]"
)
"""What asks for one of the options that follow."""
_CHOOSES = re.compile(r"\b(?:which|choose|select|pick)\b")
_ONE_OF_MANY = re.compile(
    r"\b(?:the|one) (?:correct|right|best|most \w+) (?:answer|option|choice)\b"
    r"|\b(?:which|one) (?:option|choice|answer)\b"
)
_MANY_NUMBERS = r"(?:numbers|ind(?:ic|ex)es|integers|letters|ids)"
_SEVERAL = re.compile(
    imperative("rank", "reorder", "re-order", "sort", "order", "arrange", "prioriti[sz]e")
    + r"|\ball that apply\b|\bone or more\b|\bcommas?\b|\bpermutation\b"
    r"|\b(?:output|return|give|list|write|only|name|print|reply with|answer with)\b"
    rf"(?: [\w-]+){{0,3}} {_MANY_NUMBERS}\b|\b{_MANY_NUMBERS} only\b"
)
_MAKES = re.compile(
    imperative("explain", "describe", "translate", "summari[sz]e", "extract", "rewrite")
    + r"|\b(?:write|generate|compose|create|draft) (?:an?|one|two|three|some|short)\b"
    r"|\b(?:sentences?|paragraph|words)\b(?! that\b)"
)
_CUE = re.compile(r".*\b(?:answer|choice|option|label|antwort|respuesta|réponse|risposta|jawaban)|回答|答え|答案|解答")
_FEW = 5
"""Entries of the longest numbered list that is one of options, if nothing but its wording says so."""
_AFTERWORD = 80
"""Characters of the cue, or of what is said of the answer's form, behind the options."""
_OPINION = re.compile(r"review|comment|feedback|description|customer|buyer")


def choice_of(labels: tuple[str, ...], doubt: str = "") -> Reading:
    """One of the labels, which are a character each: one token, greedy. Templates may use `labels`: "0, 1, 2, 3"."""

    def answer(text: str) -> Answer:
        """A label: the text itself, else the first one in it, else the first that the prompt offers."""
        stripped = text.strip()
        if stripped in labels:
            return Answer(stripped)
        for match in _LABEL_IN_TEXT.finditer(stripped[:PARSED_LENGTH]):
            if match.group() in labels:
                return Answer(match.group(), Outcome.REPAIRED)
        return Answer(labels[0], Outcome.FALLBACK)

    return Reading(Choice(labels), SamplingParams(max_tokens=1), {"labels": ", ".join(labels)}, answer, doubt=doubt)


class MultipleChoice:
    """Questions that the evaluator marks as multiple choice, or that offer options where it does not say."""

    type = TaskType.MULTIPLE_CHOICE

    def evidence(self, question: Question) -> str | None:
        """The evaluator's mark, which decides; where there is none, what the prompt offers."""
        if question.is_multiple_choice is not None:
            return "marked as multiple choice" if question.is_multiple_choice else None
        return self.offer(question.prompt)

    def offer(self, prompt: str) -> str | None:
        """What one label is to be chosen from, by the prompt alone: a phrase for people; None where nothing is."""
        parts = dissect(prompt)
        if WORKED_SOLUTION.search(parts.wanted) or _MAKES.search(parts.wanted):
            return None
        found, embedded = _listed(parts)
        if found and (not embedded or _closes(parts, found)) and _offers(parts, found):
            return f"lists options to choose from ({', '.join(found.labels)})"
        if parts.list:
            return None
        if (scale := _scale(parts)) and _TO_RATE.search(parts.wanted):
            return f"asks for a step of a scale ({scale[0]} to {scale[-1]})"
        meanings = [int(label) for label in _meanings(parts)]
        whole = meanings and meanings[0] < 2 and meanings == list(range(meanings[0], meanings[-1] + 1))
        return f"gives labels a meaning ({', '.join(map(str, meanings))})" if whole else None

    def read(self, question: Question) -> Reading:
        """The labels: a rating scale, the listed ones, those given a meaning, or a guess: no or yes, else 0 to 3."""
        parts = dissect(question.prompt)
        found, embedded = _listed(parts)
        scale = _scale(parts)
        if scale and (embedded or found is None or (found.labels[0].isdigit() and "0" not in found.labels)):
            return choice_of(scale)
        if found:
            return replace(choice_of(found.labels), options=Options.of(question.prompt, found))
        if meanings := _meanings(parts):
            return choice_of(meanings)
        return choice_of(_NO_YES if _YES_NO.search(parts.asked) else _DEFAULT, "no options are listed")

    def parse(self, answer: str) -> int:
        """Rule: strip, then the first character as an integer; -1 for anything else."""
        first = answer[:PARSED_LENGTH].strip()[:1]
        try:
            return int(first)
        except ValueError:
            return -1

    def format_target(self, target: object) -> str:
        """The label, from an integer or a one-character string.

        Raises:
            InputError: the label is longer, or neither.
        """
        label = str(target).strip() if isinstance(target, int | str) and not isinstance(target, bool) else ""
        if len(label) == 1 and label.isascii() and label.isalnum():
            return label
        raise InputError(f"a multiple-choice label is one character, not {target!r}")


def _listed(parts: Parts) -> tuple[NumberedList | None, bool]:
    """The last list that stands outside running text, else the last, labels of one character; and whether inside."""
    lists = [*parts.lists, *([parts.lettered] if parts.lettered else [])]
    whole: list[NumberedList] = []
    for found in sorted(lists, key=lambda one: (one.start, -one.end)):
        # What is listed inside an entry of another list is part of its text.
        if not whole or found.end > whole[-1].end:
            whole.append(found)
    if not whole:
        return None, False
    outside = [found for found in whole if not parts.embedded(found)]
    found = max(outside or whole, key=lambda one: one.start)
    return replace(found, entries=tuple(entry for entry in found.entries if len(entry.label) == 1)), not outside


def _closes(parts: Parts, found: NumberedList) -> bool:
    """Whether a list behind a running text is the prompt's own: it ends the prompt, and something sets it off."""
    after = parts.prompt[found.end :].strip()
    is_last = len(after) <= _AFTERWORD and "\n" not in after
    before = parts.prompt[: found.start].rstrip(" \t")
    set_off = before.endswith(("\n\n", "\n\r\n")) and _CHOOSES.search(parts.wanted)
    asked = before.rstrip().endswith(("?", "？"))
    return bool(is_last and (set_off or asked or found.labels[0] in ("0", "A", "a")))


def _offers(parts: Parts, found: NumberedList) -> bool:
    """Whether one of the entries is asked for, rather than several, an order, or what is to be made of them."""
    if _SEVERAL.search(parts.wanted) or asks_for_several(parts.asked):
        return False
    if any(field.start == found.start and _OPINION.search(field.label) for field in parts.fields):
        return False
    if found.labels[0].isalpha():
        # "A: ..." and "B: ..." are also who speaks.
        head = parts.prompt[found.start : found.entries[0].start].rstrip()
        said = len(found.entries) < 3 and head[1:] in (":", "：") and not _CUE.fullmatch(parts.cue)
        return not said and _ONE.search(parts.wanted) is not None
    if Ranking().evidence(Question("", parts.prompt)):
        return False
    if len(found.entries) > _FEW:
        return _ONE_OF_MANY.search(parts.wanted) is not None
    return _CUE.fullmatch(parts.cue) is not None or _ONE.search(parts.wanted) is not None


def _scale(parts: Parts) -> tuple[str, ...]:
    """The steps of a rating scale that the instructions name. Ten has two characters and is left out."""
    if not _RATES.search(parts.asked):
        return ()
    match = _SCALE.search(parts.asked)
    found = match or _STEPS.search(parts.asked) or _OUT_OF.search(parts.asked)
    if found is None or not 2 <= number(found["n"]) <= 10:
        return ()
    low = int(match["low"] or 1) if match else 1
    return tuple(str(label) for label in range(low, min(number(found["n"]), 9) + 1))


def _meanings(parts: Parts) -> tuple[str, ...]:
    """Labels that the instructions define in passing ("1 if it fits, 0 otherwise")."""
    labels = sorted({match["number"] or match["before"] or match["after"] for match in _MEANING.finditer(parts.asked)})
    return tuple(labels) if len(labels) > 1 else ()
