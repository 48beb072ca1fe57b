"""The numbered and lettered lists of a prompt."""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

_PREFIX = r"(?P<lead>[ \t]*)(?:[-*•][ \t]+)?(?:(?:option|choice|product|candidate|no\.?|#)[ \t]*)?"
_MARKER = (
    r"(?:(?P<open>[(\[])[ \t]?(?P<wrapped>\d{1,3})[ \t]?[)\]]"
    r"|(?P<bare>\d{1,3})(?P<close>[.):\]、．]|[ \t]?(?:[-–|]|[-=]>)(?=[ \t])))"
)
_LINE_MARKER = re.compile(rf"^(?:{_PREFIX}){_MARKER}(?P<space>[ \t]*)(?P<next>\S?)", re.IGNORECASE | re.MULTILINE)
_LABELLED_FIRST = re.compile(rf"[:：][ \t]*(?=[(\[]?[01][.)\]]){_MARKER}(?P<space>[ \t]*)(?P<next>\S?)")
_INLINE_MARKER = re.compile(rf"(?:^|(?<=\s)){_MARKER}(?P<space>[ \t]+|\b|$)(?P<next>\S?)", re.MULTILINE)
_FIRST = ("0.", "1.", "0)", "1)", "0]", "1]", "0:", "1:", "0-", "1-", "0 ", "1 ")
_LETTER = (
    r"(?:(?P<open>[(\[（])[ \t]?(?P<wrapped>[A-Za-z])[ \t]?[)\]）]"
    r"|(?P<bare>[A-Za-z])(?P<close>[.):\]、．）]|[ \t]?(?:[-–|]|[-=]>)(?=[ \t])))"
)
_LETTER_LINE = re.compile(
    rf"^(?P<lead>[ \t]*)(?:[-*•][ \t]+)?(?:(?:option|choice)[ \t]*)?[*_]{{0,2}}{_LETTER}[*_]{{0,2}}[ \t]*(?P<next>\S?)",
    re.IGNORECASE | re.MULTILINE,
)
_LETTER_INLINE = re.compile(
    r"(?:^|(?<=[\s,;:?]))(?:(?P<open>[(\[])(?P<wrapped>[A-Za-z])[)\]]|(?P<bare>[A-Za-z])(?P<close>[)\]]))"
    r"[ \t]+(?P<next>\S)",
    re.MULTILINE,
)
_FIRST_LETTERS = tuple(
    f"{letter}{mark}" for letter in "Aa" for mark in (*".):]）、．-–|=", " ]", " )", " -", " –", " |", " =")
)
_LIST_LABEL = re.compile(
    r"\b(?:list|products?|items?|candidates?|options?|choices?|aspects?|snippets?|quer(?:y|ies)|brands?|categor(?:y|ies)"
    r"|keywords?|keyphrases?|phrases?|titles?|entries|statements?|attributes?|following|below)\b",
    re.IGNORECASE,
)
_WHOSE = re.compile(
    r"\b(?:reviews?|reviewer|comment|feedback|customer|buyer|user|message|passage|text) *$", re.IGNORECASE
)
"""What numbers texts of people apart ("Review 2: ..."), which are no options."""
_PHRASE_END = re.compile(r"[.;!?] ")
_OUTPUT_LINE = re.compile(
    r"^[ \t]*(?:output|answer|response|result|reply)\b[^\n:：]{0,60}[:：]"
    r"|(?<=[.;,!?)] )(?:output|answer|response|result|reply)[ \t]?[:：][ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a list. `start` and `end` bound `text`; `line_start` is where the label begins, or what leads to it."""

    number: int
    """Of a letter its place in the alphabet, from 0."""
    label: str
    """What stands before the text: the number or the letter, without marks."""
    text: str
    line_start: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class NumberedList:
    """Two or more entries with rising numbers, the first of them 0 or 1, or with letters from A or a."""

    entries: tuple[Entry, ...]
    labelled: bool
    """Whether the line before it announces a list ("Product List:")."""

    @property
    def numbers(self) -> tuple[int, ...]:
        """The entries' numbers, in order."""
        return tuple(entry.number for entry in self.entries)

    @property
    def labels(self) -> tuple[str, ...]:
        """What the entries are called, in order."""
        return tuple(entry.label for entry in self.entries)

    @property
    def start(self) -> int:
        """Where the first label begins."""
        return self.entries[0].line_start

    @property
    def end(self) -> int:
        """Where the last entry ends."""
        return self.entries[-1].end


@dataclass(frozen=True, slots=True)
class _Marker:
    number: int
    label: str
    style: str
    tight: bool
    doubtful: bool
    line_start: int
    start: int


def find_lists(prompt: str) -> tuple[NumberedList, ...]:
    """Every numbered list, in order; lists that run on within a line only where none has lines of its own."""
    markers = sorted([*_markers(_LINE_MARKER, prompt), *_labelled_first(prompt)], key=lambda m: m.start)
    runs = _runs(markers, largest_step=2)
    if not runs:
        runs = [run for run in _runs(_inline_markers(prompt), largest_step=1) if len(run) > 2]
    runs.sort(key=lambda run: run[0].start)
    starts = [*(run[0].line_start for run in runs), len(prompt)]
    return tuple(_build(prompt, run, starts[bisect_right(starts, run[-1].line_start)]) for run in runs)


def letters_as_numbers(prompt: str) -> str:
    """The prompt with the labels of its last lettered list as numbers from 0, as the competition has them."""
    found = find_letters(prompt)
    for entry in reversed(found.entries if found else ()):
        # The label is the last letter before the text: "Option A: ...".
        place = prompt.rindex(entry.label, entry.line_start, entry.start)
        prompt = f"{prompt[:place]}{entry.number}{prompt[place + 1 :]}"
    return prompt


def find_letters(prompt: str) -> NumberedList | None:
    """The last lettered list ("A. ...", "(b) ..."), one within a line only where no lines have one; None without."""
    if not any(first in prompt for first in _FIRST_LETTERS):
        return None
    for pattern in (_LETTER_LINE, _LETTER_INLINE):
        if runs := [run for run in _letter_runs(pattern, prompt) if len(run) > 1]:
            return _build(prompt, max(runs, key=lambda run: run[0].start), len(prompt))
    return None


def _letter_runs(pattern: re.Pattern[str], prompt: str) -> list[list[_Marker]]:
    """Runs without a gap, all letters of one case and set alike."""
    runs: list[list[_Marker]] = []
    current: dict[str, list[_Marker]] = {}
    for match in pattern.finditer(prompt):
        letter = match["wrapped"] or match["bare"]
        style = f"{match['open'] or ''}{(match['close'] or '').strip()}{letter.isupper()}"
        marker = _Marker(
            ord(letter.lower()) - ord("a"), letter, style, False, False, _line_start(match), match.start("next")
        )
        run = current.get(style)
        if run and marker.number == run[-1].number + 1:
            run.append(marker)
        elif marker.number == 0:
            current[style] = [marker]
            runs.append(current[style])
    return runs


def principal(lists: tuple[NumberedList, ...]) -> NumberedList | None:
    """The list that the prompt is about: announced rather than not, then the longest, then the last."""
    if not lists:
        return None
    return max(lists, key=lambda found: (found.labelled, len(found.entries), found.start))


def _markers(pattern: re.Pattern[str], prompt: str) -> Iterator[_Marker]:
    for match in pattern.finditer(prompt):
        number = match["wrapped"] or match["bare"]
        close = (match["close"] or "").strip()
        tight = not match["space"]
        # "3.5 mm" and "10:30" begin a line without beginning an entry, unless the list is set as tightly
        doubtful = tight and match["next"].isdigit() and not match["open"]
        style = f"{match['open'] or ''}{close}"
        yield _Marker(int(number), str(int(number)), style, tight, doubtful, _line_start(match), match.start("next"))


def _line_start(match: re.Match[str]) -> int:
    """Where an entry begins: with what stands before its label on a line of its own ("Option 1"), else with that."""
    if "lead" in match.re.groupindex:
        return match.end("lead")
    return match.start("open") if match["open"] else match.start("bare")


def _labelled_first(prompt: str) -> Iterator[_Marker]:
    """Entries on the line of their label ("Products: 0. lamp 1. rug"). A line is read once, whatever its labels."""
    end = 0
    for first in _markers(_LABELLED_FIRST, prompt):
        yield first
        if first.start < end:
            continue
        end = prompt.find("\n", first.start)
        end = len(prompt) if end < 0 else end
        for marker in _inline_markers(prompt[first.start : end]):
            yield replace(
                marker, line_start=first.start + marker.line_start, start=first.start + marker.start, tight=first.tight
            )


def _inline_markers(prompt: str) -> list[_Marker]:
    if not any(first in prompt for first in _FIRST):
        return []
    markers = (m for m in _markers(_INLINE_MARKER, prompt) if not m.tight or m.style in {"(", "["})
    return [m for m in markers if m.style != ":" or not _WHOSE.search(prompt[max(0, m.line_start - 20) : m.line_start])]


def _runs(markers: list[_Marker], largest_step: int) -> list[list[_Marker]]:
    """Rising runs of one style each, at least two long. A gap of one number is allowed for."""
    runs: list[list[_Marker]] = []
    current: dict[str, list[_Marker]] = {}
    for marker in markers:
        run = current.get(marker.style)
        if run and _continues(run[-1], marker, largest_step):
            run.append(marker)
        elif marker.number in (0, 1) and not marker.doubtful:
            current[marker.style] = [marker]
            runs.append(current[marker.style])
    return [run for run in runs if len(run) > 1]


def _continues(last: _Marker, marker: _Marker, largest_step: int) -> bool:
    if marker.doubtful:
        return last.tight and marker.number == last.number + 1
    return 0 < marker.number - last.number <= largest_step


def _build(prompt: str, run: list[_Marker], next_list: int) -> NumberedList:
    bounds = [(here.start, after.line_start) for here, after in pairwise(run)]
    one_line = all("\n" not in prompt[start:end].strip() for start, end in bounds)
    bounds.append((run[-1].start, _last_end(prompt, run[-1].start, next_list, one_line=one_line)))
    entries = tuple(
        Entry(
            marker.number,
            marker.label,
            prompt[start:end].strip(),
            marker.line_start,
            start,
            start + len(prompt[start:end].rstrip()),
        )
        for marker, (start, end) in zip(run, bounds, strict=True)
    )
    before = prompt[max(0, run[0].line_start - 400) : run[0].line_start].rstrip()
    label = _PHRASE_END.split(before.rsplit("\n", 1)[-1])[-1]
    return NumberedList(entries, label.endswith((":", "：")) and _LIST_LABEL.search(label) is not None)


def _last_end(prompt: str, start: int, limit: int, *, one_line: bool) -> int:
    """The last entry has no next one to end it: its line does, or a blank line, the cue for the answer, a new list."""
    end = prompt.find("\n" if one_line else "\n\n", start, limit)
    end = limit if end < 0 else end
    cue = _OUTPUT_LINE.search(prompt, start, end)
    return cue.start() if cue else end
