"""What a constrained answer may go on with, token by token.

The rules of a constraint speak of bytes; here they meet the vocabulary's tokens.
"""

from collections.abc import Hashable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from app.engines.base import RefusedRequestError
from app.engines.constraints.copy import CopyRules
from app.engines.constraints.grammar import GrammarAutomaton
from app.engines.constraints.vocabulary import ROOT, Vocabulary
from app.errors import EngineError
from app.types import Choice, Copy, Selection, TextConstraint

TABLES_KEPT = 64
"""Constraints whose tokens are kept: the same numbers and the same source often come again."""
STATES_KEPT = 4096
"""Token sets kept per constraint; all permutations of six numbers pass through fewer."""
SPACE, COMMA = ord(" "), ord(",")

State = TypeVar("State", bound=Hashable)


class _Rules(Protocol[State]):
    """A constraint as an automaton over bytes. No state is without a legal continuation or end."""

    @property
    def start(self) -> State: ...

    def complete(self, state: State) -> bool: ...

    def steps(self, state: State) -> Mapping[int, State]:
        """What each byte that may come next leads to."""
        ...


class Place(NamedTuple):
    """Where an answer stands: the numbers still free, the begun number's digits, how many are written."""

    free: frozenset[bytes]
    begun: bytes
    written: int


class _SelectionRules:
    """What may be written under one `Selection`: distinct numbers of its list, "3,1,12", as many as are asked."""

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


class _Tables(Generic[State]):
    """The tokens that may follow, by state; shared by all answers under one constraint.

    The state None is the beginning where the vocabulary naturally opens a text with a space, which is dropped.
    """

    def __init__(self, rules: _Rules[State], vocabulary: Vocabulary) -> None:
        self._rules = rules
        self.vocabulary = vocabulary
        self.start: State | None = None if vocabulary.leading_space else rules.start
        self._allowed: dict[State | None, NDArray[np.int64]] = {}

    def complete(self, state: State | None) -> bool:
        return state is not None and self._rules.complete(state)

    def steps(self, state: State | None) -> Mapping[int, State]:
        if state is None:
            return {**self._rules.steps(self._rules.start), SPACE: self._rules.start}
        return self._rules.steps(state)

    def allowed(self, state: State | None) -> NDArray[np.int64]:
        """The tokens all of whose bytes may come next, and the end tokens where the answer is complete."""
        ids = self._allowed.get(state)
        if ids is None:
            found: list[int] = list(self.vocabulary.end_ids) if self.complete(state) else []
            self._walk(ROOT, state, found)
            if len(self._allowed) >= STATES_KEPT:
                self._allowed.clear()
            self._allowed[state] = ids = np.array(found, dtype=np.int64)
        return ids

    def _walk(self, node: int, state: State | None, found: list[int]) -> None:
        for byte, following in self.steps(state).items():
            child = self.vocabulary.step(node, byte)
            if child is not None:
                found.extend(self.vocabulary.ids_at.get(child, ()))
                self._walk(child, following, found)


class ByteAutomaton:
    """One answer in the making, where rules speak of bytes. It never comes to a state without a legal continuation."""

    def __init__(self, tables: _Tables[Any]) -> None:
        self._tables = tables
        self._state = tables.start
        self._ended = False

    @property
    def complete(self) -> bool:
        """Whether the answer may end here."""
        return self._tables.complete(self._state)

    def allowed(self) -> NDArray[np.int64]:
        """The token ids that may follow, in no order; end tokens only where complete."""
        if self._ended:
            return np.array(self._tables.vocabulary.end_ids, dtype=np.int64)
        return self._tables.allowed(self._state)

    def advance(self, token: int) -> None:
        """Take one token.

        Raises:
            EngineError: the token was not among the allowed ones.
        """
        if token in self._tables.vocabulary.end_ids and (self.complete or self._ended):
            self._ended = True
            return
        state = self._state
        for byte in self._tables.vocabulary.token_bytes.get(token, b"\0"):
            steps = self._tables.steps(state)
            if self._ended or byte not in steps:
                raise EngineError(f"token {token} broke its constraint; report this as a fault of the engine")
            state = steps[byte]
        self._state = state


Automaton = ByteAutomaton | GrammarAutomaton


def start_automaton(constraint: TextConstraint, vocabulary: Vocabulary) -> Automaton:
    """An automaton before its first token.

    Raises:
        RefusedRequestError: no answer can meet the constraint, or its grammar cannot be read.
    """
    if isinstance(constraint, Selection | Copy):
        return ByteAutomaton(_tables(constraint, vocabulary))
    return GrammarAutomaton(constraint, vocabulary)


class Follower:
    """An automaton that keeps up with a growing list of output tokens."""

    def __init__(self, constraint: TextConstraint, vocabulary: Vocabulary) -> None:
        self._constraint = constraint
        self._vocabulary = vocabulary
        self._restart()

    def allowed(self, output_ids: Sequence[int]) -> NDArray[np.int64]:
        """The token ids that may follow all of `output_ids`, which are read from where the last call ended.

        An engine may take tokens back: then the answer is followed again from its beginning.
        """
        if len(output_ids) < self._taken:
            self._restart()
        for token in output_ids[self._taken :]:
            self._automaton.advance(token)
            self._taken += 1
        return self._automaton.allowed()

    def _restart(self) -> None:
        self._automaton = start_automaton(self._constraint, self._vocabulary)
        self._taken = 0


@lru_cache(TABLES_KEPT)
def _tables(constraint: Selection | Copy, vocabulary: Vocabulary) -> _Tables[Any]:
    if isinstance(constraint, Selection):
        return _Tables(_SelectionRules(constraint, vocabulary), vocabulary)
    return _Tables(CopyRules(constraint, vocabulary), vocabulary)


def longest_answer(constraint: TextConstraint, vocabulary: Vocabulary) -> int | None:
    """Tokens of the longest legal answer, at most, without its end; None where that says too little.

    No token is shorter than a byte, so an answer with that many tokens is a whole one.
    """
    if not isinstance(constraint, Selection):
        return None
    lengths = sorted((len(str(number)) for number in constraint.numbers), reverse=True)
    return sum(lengths[: constraint.count]) + constraint.count - 1 + vocabulary.leading_space


def label_tokens(choice: Choice, vocabulary: Vocabulary) -> dict[str, tuple[int, ...]]:
    """The tokens that count as each label, in the order of the labels.

    Raises:
        RefusedRequestError: there is no label, or one that is not a single token of this vocabulary.
    """
    if not choice.labels:
        raise RefusedRequestError("unusable_constraint", "a choice needs at least one label")
    tokens = {label: vocabulary.label_ids(label) for label in choice.labels}
    for label, ids in tokens.items():
        if not ids:
            raise RefusedRequestError(
                "unusable_constraint",
                f"label {label!r} is not a single token of this checkpoint; use labels such as 0 to 9 or A to Z",
            )
    return tokens
