"""The numbered and lettered lists of a prompt."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

_PREFIX = r"[ \t]*(?:[-*•][ \t]+)?(?:(?:option|choice|product|candidate|no\.?|#)[ \t]*)?"
_MARKER = (
    r"(?:(?P<open>[(\[])[ \t]?(?P<wrapped>\d{1,3})[ \t]?[)\]]"
    r"|(?P<bare>\d{1,3})(?P<close>[.):\]、．]|[ \t]?(?:[-–|]|[-=]>)(?=[ \t])))"
)
_LINE_MARKER = re.compile(rf"^(?:{_PREFIX}){_MARKER}(?P<space>[ \t]*)(?P<next>\S?)", re.IGNORECASE | re.MULTILINE)
_LABELLED_FIRST = re.compile(rf"[:：][ \t]*(?=[(\[]?[01][.)\]]){_MARKER}(?P<space>[ \t]*)(?P<next>\S?)")
_INLINE_MARKER = re.compile(rf"(?:^|(?<=\s)){_MARKER}(?P<space>[ \t]+|\b|$)(?P<next>\S?)", re.MULTILINE)
_FIRST = ("0.", "1.", "0)", "1)", "0]", "1]", "0:", "1:", "0-", "1-", "0 ", "1 ")
_LETTER_MARKER = re.compile(
    r"^[ \t]*(?:(?P<open>[(\[])(?P<wrapped>[A-Ja-j])[)\]]|(?P<bare>[A-Ja-j])(?P<close>[.):]))(?=\s|\S)", re.MULTILINE
)
_INLINE_LETTER = re.compile(
    r"(?:^|(?<=[\s,;:]))(?P<open>[(\[]?)(?P<letter>[A-Ja-j])(?P<close>[)\]])(?=\s)", re.MULTILINE
)
_LIST_LABEL = re.compile(
    r"\b(?:list|products?|items?|candidates?|options?|choices?|aspects?|snippets?|quer(?:y|ies)|brands?|categor(?:y|ies)"
    r"|keywords?|keyphrases?|phrases?|titles?|entries|statements?|attributes?|following|below)\b",
    re.IGNORECASE,
)
_PHRASE_END = re.compile(r"[.;!?] ")
_OUTPUT_LINE = re.compile(
    r"^[ \t]*(?:output|answer|response|result|reply)\b[^\n:：]{0,60}[:：]", re.IGNORECASE | re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a list. `start` and `end` bound `text`; `line_start` is where the label begins."""

    number: int
    text: str
    line_start: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class NumberedList:
    """Two or more entries with rising numbers, the first of them 0 or 1."""

    entries: tuple[Entry, ...]
    labelled: bool
    """Whether the line before it announces a list ("Product List:")."""

    @property
    def numbers(self) -> tuple[int, ...]:
        """The labels, in order."""
        return tuple(entry.number for entry in self.entries)

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


def find_letters(prompt: str) -> tuple[str, ...]:
    """The labels of the last lettered list ("A. ...", "(b) ..."), as they stand; empty where there is none."""
    return tuple(letter for letter, _ in _lettered(prompt))


def letters_as_numbers(prompt: str) -> str:
    """The prompt with the labels of its last lettered list as numbers from 0, as the competition has them."""
    for number, (_, place) in enumerate(_lettered(prompt)):
        prompt = f"{prompt[:place]}{number}{prompt[place + 1 :]}"
    return prompt


def _lettered(prompt: str) -> list[tuple[str, int]]:
    """The letters of the last lettered list, at most ten, with their places."""
    lines = (
        (match[group], match.start(group))
        for match in _LETTER_MARKER.finditer(prompt)
        for group in ("wrapped", "bare")
        if match[group]
    )
    return _last_run(lines) or _last_run(
        (match["letter"], match.start("letter")) for match in _INLINE_LETTER.finditer(prompt)
    )


def _last_run(letters: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    best: list[tuple[str, int]] = []
    run: list[tuple[str, int]] = []
    for letter, place in letters:
        if run and ord(letter) == ord(run[-1][0]) + 1:
            run.append((letter, place))
        elif letter in "Aa":
            run = [(letter, place)]
        if len(run) > 1:
            best = run
    return best


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
        first = match.start("open") if match["open"] else match.start("bare")
        # "3.5 mm" and "10:30" begin a line without beginning an entry, unless the list is set as tightly
        doubtful = tight and match["next"].isdigit() and not match["open"]
        style = f"{match['open'] or ''}{close}"
        yield _Marker(int(number), style, tight, doubtful, first, match.start("next"))


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
    return [m for m in _markers(_INLINE_MARKER, prompt) if not m.tight or m.style in {"(", "["}]


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
            marker.number, prompt[start:end].strip(), marker.line_start, start, start + len(prompt[start:end].rstrip())
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
