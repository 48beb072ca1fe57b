"""Distinct numbers out of a list: "3,1,12", no spaces, always the asked count."""

from typing import NamedTuple

from app.engines.base import RefusedRequestError
from app.engines.constraints.vocabulary import Vocabulary
from app.types import Selection

COMMA = ord(",")


class Place(NamedTuple):
    """Where an answer stands: the numbers still free, the begun number's digits, how many are written."""

    free: frozenset[bytes]
    begun: bytes
    written: int


class SelectionRules:
    """What may be written under one `Selection`."""

    def __init__(self, constraint: Selection, vocabulary: Vocabulary) -> None:
        numbers = frozenset(str(number).encode() for number in constraint.numbers)
        if not 1 <= constraint.count <= len(numbers):
            raise RefusedRequestError(
                "unusable_constraint",
                f"a selection of {constraint.count} out of {len(numbers)} different numbers is impossible",
            )
        if not frozenset(b",".join(numbers)) <= vocabulary.single_bytes:
            raise RefusedRequestError("unusable_constraint", "this checkpoint has no tokens for digits and comma")
        self._count = constraint.count
        self.start = Place(numbers, b"", 0)

    def complete(self, state: Place) -> bool:
        """Whether the answer may end: the last number is a whole one."""
        return state.written == self._count - 1 and state.begun in state.free

    def steps(self, state: Place) -> dict[int, Place]:
        """What each byte that may come next leads to."""
        begun, length = state.begun, len(state.begun)
        found = {
            number[length]: state._replace(begun=number[: length + 1])
            for number in state.free
            if len(number) > length and number.startswith(begun)
        }
        if begun in state.free and state.written < self._count - 1:
            found[COMMA] = Place(state.free - {begun}, b"", state.written + 1)
        return found
