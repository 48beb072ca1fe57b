"""The tokens that go on along a source text, looked up once a place."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.engines.source_spans import SourceSpans
from app.engines.vocabulary import Vocabulary

COMMA = ord(",")


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
