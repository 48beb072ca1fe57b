"""Spans of a source text: "first span, second span", each of which stands in the source.

The answer is followed through the source as a nondeterministic automaton. All the places of the source
where the words so far stand are live at once, and a comma and a space that also stand in the source are
both a separator and a part of the span until the text decides.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from app.engines.refusal import RefusedRequestError
from app.engines.source_fan import Fan, Match, SourceFans
from app.engines.source_spans import SourceSpans
from app.engines.vocabulary import ROOT, Vocabulary
from app.errors import EngineError
from app.types import Copy

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
