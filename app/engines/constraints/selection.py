"""Distinct numbers out of a list: "3,1,12", no spaces, always the asked count."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.engines.base import RefusedRequestError
from app.engines.constraints.vocabulary import ROOT, Vocabulary
from app.errors import EngineError
from app.types import Selection

COMMA = ord(",")
STATES_KEPT = 4096
"""Token sets kept per constraint; all permutations of six numbers pass through fewer."""


class Place(NamedTuple):
    """Where an answer stands: the numbers still free, the begun number's digits, how many are written."""

    free: frozenset[bytes]
    begun: bytes
    written: int


class SelectionPlan:
    """The tables that all answers under one `Selection` share."""

    def __init__(self, constraint: Selection, vocabulary: Vocabulary) -> None:
        """Check that the constraint can be met.

        Raises:
            RefusedRequestError: fewer numbers than asked for, none asked for, or digits without tokens.
        """
        numbers = frozenset(str(number).encode() for number in constraint.numbers)
        if not 1 <= constraint.count <= len(numbers):
            raise RefusedRequestError(
                "unusable_constraint",
                f"a selection of {constraint.count} out of {len(numbers)} different numbers is impossible",
            )
        needed = frozenset(b",".join(numbers))
        if not needed <= vocabulary.single_bytes:
            raise RefusedRequestError("unusable_constraint", "this checkpoint has no tokens for digits and comma")
        self.vocabulary = vocabulary
        self.count = constraint.count
        self.start = Place(numbers, b"", 0)
        self._allowed: dict[Place, NDArray[np.int64]] = {}

    def complete(self, place: Place) -> bool:
        """Whether the answer may end: the last number is a whole one."""
        return place.written == self.count - 1 and place.begun in place.free

    def following(self, place: Place) -> set[int]:
        """The bytes that may come next."""
        length = len(place.begun)
        found = {number[length] for number in place.free if len(number) > length and number.startswith(place.begun)}
        if place.begun in place.free and place.written < self.count - 1:
            found.add(COMMA)
        return found

    def after(self, place: Place, byte: int) -> Place:
        """The place after one of the `following` bytes."""
        if byte == COMMA:
            return Place(place.free - {place.begun}, b"", place.written + 1)
        return place._replace(begun=place.begun + bytes([byte]))

    def allowed(self, place: Place) -> NDArray[np.int64]:
        """The tokens all of whose bytes may come next."""
        ids = self._allowed.get(place)
        if ids is None:
            found: list[int] = list(self.vocabulary.end_ids) if self.complete(place) else []
            self._walk(ROOT, place, found)
            if place == self.start and self.vocabulary.leading_space:
                self._open_with_space(found)
            if len(self._allowed) >= STATES_KEPT:
                self._allowed.clear()
            self._allowed[place] = ids = np.array(found, dtype=np.int64)
        return ids

    def _open_with_space(self, found: list[int]) -> None:
        node = self.vocabulary.step(ROOT, ord(" "))
        if node is not None:
            found.extend(self.vocabulary.ids_at.get(node, ()))
            self._walk(node, self.start, found)

    def _walk(self, node: int, place: Place, found: list[int]) -> None:
        for byte in self.following(place):
            child = self.vocabulary.step(node, byte)
            if child is not None:
                found.extend(self.vocabulary.ids_at.get(child, ()))
                self._walk(child, self.after(place, byte), found)


class SelectionAutomaton:
    """One answer under a `Selection`."""

    def __init__(self, plan: SelectionPlan) -> None:
        self._plan = plan
        self._place = plan.start
        self._opened = False
        self._ended = False

    @property
    def complete(self) -> bool:
        """Whether the answer may end here."""
        return self._plan.complete(self._place)

    def allowed(self) -> NDArray[np.int64]:
        """The token ids that may follow."""
        if self._ended:
            return np.array(self._plan.vocabulary.end_ids, dtype=np.int64)
        if self._opened and self._place == self._plan.start:
            return self._after_space()
        return self._plan.allowed(self._place)

    def advance(self, token: int) -> None:
        """Take one token.

        Raises:
            EngineError: the token was not among the allowed ones.
        """
        if token in self._plan.vocabulary.end_ids and (self.complete or self._ended):
            self._ended = True
            return
        text = self._plan.vocabulary.token_bytes.get(token, b"\0")
        if not self._opened and self._plan.vocabulary.leading_space:
            text = text.removeprefix(b" ")
        self._opened = True
        for byte in text:
            if self._ended or byte not in self._plan.following(self._place):
                raise EngineError(f"token {token} broke the selection; report this as a fault of the engine")
            self._place = self._plan.after(self._place, byte)

    def _after_space(self) -> NDArray[np.int64]:
        vocabulary = self._plan.vocabulary
        ids = self._plan.allowed(self._plan.start)
        return np.array([i for i in ids.tolist() if not vocabulary.token_bytes[i].startswith(b" ")], np.int64)
