"""Spans of a source text: "first span, second span", each of which stands in the source.

The answer is followed through the source as a nondeterministic automaton. All the places of the source
where the words so far stand are live at once, and a comma and a space that also stand in the source are
both a separator and a part of the span until the text decides.
"""

import unicodedata
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from app.engines.base import RefusedRequestError
from app.engines.constraints.vocabulary import ROOT, Vocabulary
from app.errors import EngineError
from app.types import Copy

UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x0F00, 0x109F),  # Tibetan, Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x3005, 0x3007),  # iteration mark and its like
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x3100, 0x312F),  # Bopomofo
    (0x31F0, 0x31FF),  # Katakana extensions
    (0x3400, 0x4DBF),  # Han
    (0x4E00, 0x9FFF),
    (0xAC00, 0xD7AF),  # Hangul: particles are written on to the word
    (0xF900, 0xFAFF),
    (0xFF66, 0xFF9D),  # half-width Katakana
    (0x20000, 0x3FFFF),
)
_UNSPACED_BEGINS = [low for low, _ in UNSPACED]
LINE_BREAKS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
"""Where `str.splitlines` breaks."""
ZERO_WIDTH_JOINER = "\u200d"


class SourceSpans:
    """A source as bytes, with the places where spans begin and end.

    `last_end[p]` is the furthest end of a span through byte `p`, or 0 where there is none.
    """

    def __init__(self, source: str, spellable: frozenset[int]) -> None:
        """Mark the boundaries.

        Args:
            source: the text to copy from.
            spellable: the bytes that the vocabulary can write; no span holds another.
        """
        characters = [_encoded(character, spellable) for character in source]
        self.data = b"".join(characters)
        self.is_end = bytearray(len(self.data) + 1)
        self.last_end = [0] * (len(self.data) + 1)
        begins = self._mark(source, characters)
        self.begins = tuple(begin for begin in begins if self.last_end[begin] > begin)
        self.ends = [place for place, is_end in enumerate(self.is_end) if is_end]

    def end_before(self, end: int) -> int:
        """The nearest end left of `end`, or 0."""
        place = bisect_left(self.ends, end)
        return self.ends[place - 1] if place else 0

    def _mark(self, source: str, characters: list[bytes]) -> list[int]:
        begins, lines, offset, line = [], [0], 0, 0
        for place, encoded in enumerate(characters):
            if encoded == b"\n":
                line = offset + 1
                lines.append(line)
            elif is_boundary(source, place) and not _is_margin(source[place]):
                begins.append(offset)
            offset += len(encoded)
            closed = encoded != b"\n" and not _is_margin(source[place])
            if closed and is_boundary(source, place + 1):
                self.is_end[offset] = 1
        for first, following in pairwise([*lines, offset + 1]):
            last = next((p for p in range(following - 1, first, -1) if self.is_end[p]), 0)
            self.last_end[first:following] = [last] * (following - first)
        return begins


def is_boundary(text: str, place: int) -> bool:
    """Whether a span may begin or end between `text[place - 1]` and `text[place]`."""
    if place in (0, len(text)):
        return True
    before, after = text[place - 1], text[place]
    if _continues(before, after):
        return False
    if _is_unspaced(before) or _is_unspaced(after):
        return True
    return not (before.isdigit() and after.isdigit()) and not (_is_letter(before) and _is_letter(after))


def _continues(before: str, after: str) -> bool:
    """Whether `after` is a part of the character before it."""
    if ZERO_WIDTH_JOINER in {before, after}:
        return True
    if _is_regional(before) and _is_regional(after):
        return True
    if after < "\u0300":
        return False
    joined = "\U0001f3fb" <= after <= "\U0001f3ff" or after in "\uff9e\uff9f"
    return joined or unicodedata.category(after).startswith("M")


def _is_regional(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _is_letter(character: str) -> bool:
    return character.isalpha() or (character > "\u02ff" and unicodedata.category(character).startswith("M"))


def _is_unspaced(character: str) -> bool:
    if character < "\u0e00":
        return False
    code = ord(character)
    place = bisect_left(_UNSPACED_BEGINS, code + 1)
    return place > 0 and code <= UNSPACED[place - 1][1]


def _is_margin(character: str) -> bool:
    return character == "," or character.isspace()


def _encoded(character: str, spellable: frozenset[int]) -> bytes:
    """UTF-8, or a line break for what a span may not hold."""
    if character in LINE_BREAKS or "\ud800" <= character <= "\udfff":
        return b"\n"
    encoded = character.encode()
    return encoded if spellable.issuperset(encoded) else b"\n"


@dataclass(frozen=True, slots=True)
class Match:
    """The tokens that stand in the source from one place on.

    `ids[i]` ends at `places[i]`. `commas` holds each span end inside a token, with the trie's node after
    the comma that would follow there.
    """

    ids: NDArray[np.int64]
    places: NDArray[np.int64]
    commas: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Fan:
    """The tokens that go on along the source from any begin of a span, after the bytes up to a trie node."""

    node: int
    ids: NDArray[np.int64]
    counts: Mapping[int, int]
    with_commas: tuple[tuple[int, Match], ...]


class SourceFans:
    """Caches of matches and fans for one source."""

    def __init__(self, spans: SourceSpans, vocabulary: Vocabulary) -> None:
        self._spans = spans
        self._vocabulary = vocabulary
        self._matches: dict[tuple[int, int], Match] = {}
        self._fans: dict[int, Fan] = {}
        self._ids: dict[int, NDArray[np.int64]] = {}
        self._begins: dict[int, list[int]] = defaultdict(list)
        for begin in spans.begins:
            self._begins[spans.data[begin]].append(begin)
        self._is_begin = frozenset(spans.begins)

    def is_begin(self, place: int) -> bool:
        """Whether a span may begin at this place."""
        return place in self._is_begin

    def begins_with(self, byte: int) -> tuple[int, ...]:
        """The begins of spans whose first byte is this one."""
        return tuple(self._begins.get(byte, ()))

    def ids(self, node: int) -> NDArray[np.int64]:
        """The tokens that end at a trie node."""
        found = self._ids.get(node)
        if found is None:
            found = np.array(self._vocabulary.ids_at.get(node, ()), dtype=np.int64)
            self._ids[node] = found
        return found

    def match(self, node: int, place: int) -> Match:
        """The tokens that go on from `node` along the source from `place`."""
        match = self._matches.get((node, place))
        if match is None:
            self._matches[node, place] = match = self._walk(node, place)
        return match

    def fan(self, node: int) -> Fan:
        """The tokens that go on from `node` along the source from any begin."""
        fan = self._fans.get(node)
        if fan is None:
            self._fans[node] = fan = self._spread(node)
        return fan

    def within(self, fan: Fan, limits: Mapping[int, int]) -> NDArray[np.int64]:
        """The fan's tokens that some begin still supports under its limit."""
        if not limits:
            return fan.ids
        lost: Counter[int] = Counter()
        for begin, limit in limits.items():
            if self._vocabulary.step(fan.node, self._spans.data[begin]) is not None:
                match = self.match(fan.node, begin)
                lost.update(match.ids[match.places > limit].tolist())
        gone = [index for index, count in lost.items() if count >= fan.counts[index]]
        return fan.ids[~np.isin(fan.ids, gone)] if gone else fan.ids

    def _spread(self, node: int) -> Fan:
        counts: Counter[int] = Counter()
        with_commas = []
        for byte, begins in self._begins.items():
            if self._vocabulary.step(node, byte) is None:
                continue
            for begin in begins:
                match = self.match(node, begin)
                counts.update(match.ids.tolist())
                if match.commas:
                    with_commas.append((begin, match))
        return Fan(node, np.array(list(counts), dtype=np.int64), counts, tuple(with_commas))

    def _walk(self, node: int, place: int) -> Match:
        spans, step, ids_at = self._spans, self._vocabulary.step, self._vocabulary.ids_at
        last = spans.last_end[place]
        ids: list[int] = []
        places: list[int] = []
        commas: list[tuple[int, int]] = []
        while place < last:
            following = step(node, spans.data[place])
            if following is None:
                break
            node, place = following, place + 1
            for index in ids_at.get(node, ()):
                ids.append(index)
                places.append(place)
            if spans.is_end[place] and (comma := step(node, COMMA)) is not None:
                commas.append((place, comma))
        return Match(np.array(ids, dtype=np.int64), np.array(places, dtype=np.int64), tuple(commas))


COMMA, SPACE = ord(","), ord(" ")
READINGS_KEPT = 16
"""Ways of telling separators from commas in the source that are followed at once. Sources that are lists
themselves have exponentially many; those with the fewest spans are kept, which costs freedom but never legality."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One way of reading the answer so far.

    `begins` are the places in the source where the current span may have begun, or None before its first
    byte. `limits` holds, for the begins where it differs from the end of the line, the furthest end that
    still gives an unused span (0: none).
    """

    used: tuple[bytes, ...] = ()
    text: bytes = b""
    begins: tuple[int, ...] | None = None
    after_comma: bool = False
    limits: Mapping[int, int] = field(default_factory=dict)


class CopyPlan:
    """The tables that all answers under one `Copy` share."""

    def __init__(self, constraint: Copy, vocabulary: Vocabulary) -> None:
        """Find the spans of the source.

        Raises:
            RefusedRequestError: the source has no span, or none is asked for.
        """
        if constraint.max_spans < 1:
            raise RefusedRequestError("unusable_constraint", "a copy needs max_spans of at least 1")
        self.vocabulary = vocabulary
        self.spans = SourceSpans(constraint.source, vocabulary.single_bytes)
        if not self.spans.begins:
            raise RefusedRequestError("unusable_constraint", "the source to copy from has no words")
        separable = {COMMA, SPACE} <= vocabulary.single_bytes
        self.max_spans = constraint.max_spans if separable else 1
        self.fans = SourceFans(self.spans, vocabulary)
        comma = vocabulary.step(ROOT, COMMA)
        self.comma_node = ROOT if comma is None else comma
        self.end_ids = np.array(vocabulary.end_ids, dtype=np.int64)

    def finish(self, reading: Reading) -> Reading | None:
        """The reading after a separating comma, or None where the span cannot end or no other can follow."""
        if len(reading.used) + 1 >= self.max_spans or not self.complete(reading):
            return None
        used = (*reading.used, reading.text)
        limits = self._limits(reading, used)
        if sum(limit == 0 for limit in limits.values()) == len(self.spans.begins):
            return None
        return Reading(used, after_comma=True, limits=limits)

    def complete(self, reading: Reading) -> bool:
        """Whether the current span may end here: at a boundary, and not one that was written before."""
        if not reading.begins or reading.text in reading.used:
            return False
        length = len(reading.text)
        return any(self.spans.is_end[begin + length] for begin in reading.begins)

    def limit(self, reading: Reading, begin: int) -> int:
        """The furthest end of an unused span from `begin`, or 0."""
        return reading.limits.get(begin, self.spans.last_end[begin])

    def after(self, reading: Reading, byte: int) -> Iterator[Reading]:
        """The readings after one more byte; none where it is not allowed."""
        if reading.after_comma:
            if byte == SPACE:
                yield replace(reading, after_comma=False)
            return
        data, length = self.spans.data, len(reading.text)
        begins = self.fans.begins_with(byte) if reading.begins is None else reading.begins
        kept = tuple(
            begin for begin in begins if begin + length < self.limit(reading, begin) and data[begin + length] == byte
        )
        if kept:
            yield replace(reading, text=reading.text + bytes([byte]), begins=kept)
        if byte == COMMA and (finished := self.finish(reading)) is not None:
            yield finished

    def allowed(self, reading: Reading) -> Iterator[NDArray[np.int64]]:
        """Arrays that together hold the tokens that may follow."""
        if reading.begins is None:
            yield from self._allowed_first(reading)
            return
        length = len(reading.text)
        for begin in reading.begins:
            limit = self.limit(reading, begin)
            match = self.fans.match(ROOT, begin + length)
            yield match.ids if limit == self.spans.last_end[begin] else match.ids[match.places <= limit]
            yield from self._allowed_across(reading, begin, match)
        if (finished := self.finish(reading)) is not None:
            yield from self._allowed_separator(self.comma_node, finished)

    def allowed_span(self, node: int, reading: Reading) -> Iterator[NDArray[np.int64]]:
        """The tokens of a new span's beginning, of which the bytes up to `node` are already read."""
        fan = self.fans.fan(node)
        yield self.fans.within(fan, reading.limits)
        yield from self._across_fan(reading, fan)

    def _allowed_first(self, reading: Reading) -> Iterator[NDArray[np.int64]]:
        if not reading.after_comma:
            yield from self.allowed_span(ROOT, reading)
        else:
            yield from self.allowed_after_space(reading)

    def allowed_after_space(self, reading: Reading, node: int = ROOT) -> Iterator[NDArray[np.int64]]:
        """The tokens that go on from `node` with a space and a new span's beginning."""
        space = self.vocabulary.step(node, SPACE)
        if space is not None:
            yield self.fans.ids(space)
            yield from self.allowed_span(space, reading)

    def _allowed_separator(self, node: int, finished: Reading) -> Iterator[NDArray[np.int64]]:
        yield self.fans.ids(node)
        yield from self.allowed_after_space(finished, node)

    def _allowed_across(self, reading: Reading, begin: int, match: Match) -> Iterator[NDArray[np.int64]]:
        """Tokens that end the span, hold the separating comma and may go on with the next span."""
        for end, node in match.commas:
            text = self.spans.data[begin:end]
            finished = self.finish(replace(reading, text=text, begins=(begin,)))
            if finished is not None:
                yield from self._allowed_separator(node, finished)

    def _across_fan(self, reading: Reading, fan: Fan) -> Iterator[NDArray[np.int64]]:
        for begin, match in fan.with_commas:
            yield from self._allowed_across(reading, begin, match)

    def _limits(self, reading: Reading, used: tuple[bytes, ...]) -> Mapping[int, int]:
        """The limits once `used[-1]` is used as well."""
        text, data = used[-1], self.spans.data
        limits = dict(reading.limits)
        begin = data.find(text)
        while begin >= 0:
            end = limits.get(begin, self.spans.last_end[begin])
            if end == begin + len(text):
                limits[begin] = self._unused_end(begin, end, used)
            begin = data.find(text, begin + 1)
        return {begin: limit for begin, limit in limits.items() if self.fans.is_begin(begin)}

    def _unused_end(self, begin: int, end: int, used: tuple[bytes, ...]) -> int:
        while end > begin and self.spans.data[begin:end] in used:
            end = self.spans.end_before(end)
        return end if end > begin else 0


class CopyAutomaton:
    """One answer under a `Copy`."""

    def __init__(self, plan: CopyPlan) -> None:
        self._plan = plan
        self._readings = [Reading()]
        self._may_open = plan.vocabulary.leading_space
        self._ended = False

    @property
    def complete(self) -> bool:
        """Whether the answer may end here."""
        return any(self._plan.complete(reading) for reading in self._readings)

    def allowed(self) -> NDArray[np.int64]:
        """The token ids that may follow."""
        if self._ended:
            return self._plan.end_ids
        arrays = [array for reading in self._readings for array in self._plan.allowed(reading)]
        if self._may_open:
            arrays.extend(self._plan.allowed_after_space(self._readings[0]))
        if self.complete:
            arrays.append(self._plan.end_ids)
        return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)

    def advance(self, token: int) -> None:
        """Take one token.

        Raises:
            EngineError: the token was not among the allowed ones.
        """
        if token in self._plan.vocabulary.end_ids and (self.complete or self._ended):
            self._ended = True
            return
        text = self._plan.vocabulary.token_bytes.get(token, b"\0")
        if self._may_open:
            text, self._may_open = text.removeprefix(b" "), False
        readings = self._readings
        for byte in text:
            readings = [after for reading in readings for after in self._plan.after(reading, byte)]
        if self._ended or not readings:
            raise EngineError(f"token {token} broke the copy; report this as a fault of the engine")
        self._readings = _prune(readings)


def _prune(readings: list[Reading]) -> list[Reading]:
    if len(readings) == 1:
        return readings
    distinct = list(dict.fromkeys((reading.used, reading.text, reading.after_comma) for reading in readings))
    if len(distinct) < len(readings):
        readings = [next(r for r in readings if (r.used, r.text, r.after_comma) == identity) for identity in distinct]
    return sorted(readings, key=lambda reading: (len(reading.used), len(reading.text)))[:READINGS_KEPT]
