"""What a constrained answer may go on with, token by token."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.engines.base import RefusedRequestError
from app.engines.constraints.copy import CopyAutomaton, CopyPlan
from app.engines.constraints.grammar import GrammarAutomaton
from app.engines.constraints.selection import SelectionAutomaton, SelectionPlan
from app.engines.constraints.vocabulary import Vocabulary
from app.types import Choice, Copy, Selection, TextConstraint

PLANS_KEPT = 64
"""Constraints whose tables are kept: the same numbers and the same source often come again."""


class Automaton(Protocol):
    """One answer in the making. It never comes to a state without a legal continuation."""

    @property
    def complete(self) -> bool:
        """Whether the answer may end here."""
        ...

    def allowed(self) -> NDArray[np.int64]:
        """The token ids that may follow, in no order, repeats possible; end tokens only where complete."""
        ...

    def advance(self, token: int) -> None:
        """Take one token.

        Raises:
            EngineError: the token was not among the allowed ones.
        """
        ...


def start_automaton(constraint: TextConstraint, vocabulary: Vocabulary) -> Automaton:
    """An automaton before its first token.

    Raises:
        RefusedRequestError: no answer can meet the constraint.
    """
    if isinstance(constraint, Selection):
        return SelectionAutomaton(_selection_plan(constraint, vocabulary))
    if isinstance(constraint, Copy):
        return CopyAutomaton(_copy_plan(constraint, vocabulary))
    return GrammarAutomaton(constraint, vocabulary)


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


@lru_cache(PLANS_KEPT)
def _selection_plan(constraint: Selection, vocabulary: Vocabulary) -> SelectionPlan:
    return SelectionPlan(constraint, vocabulary)


@lru_cache(PLANS_KEPT)
def _copy_plan(constraint: Copy, vocabulary: Vocabulary) -> CopyPlan:
    return CopyPlan(constraint, vocabulary)
