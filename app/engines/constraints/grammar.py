"""Answers that a regular expression or a JSON schema describes, by llguidance, which vLLM brings along."""

import json
from collections.abc import Sequence
from functools import lru_cache

import llguidance.numpy
import numpy as np
from llguidance import LLMatcher, LLTokenizer, TokenizerWrapper
from numpy.typing import NDArray

from app.engines.base import RefusedRequestError
from app.engines.constraints.limits import check_regex, check_schema
from app.engines.constraints.vocabulary import ROOT, Vocabulary
from app.types import JsonSchema, Regex


class GrammarAutomaton:
    """`Automaton` of a grammar. One that grows beyond llguidance's limits on the way ends where it is."""

    def __init__(self, constraint: Regex | JsonSchema, vocabulary: Vocabulary) -> None:
        """Begin an answer.

        Raises:
            RefusedRequestError: the grammar cannot be read, or uses what llguidance does not know.
        """
        self._matcher = _matcher(constraint, vocabulary).deep_copy()
        self._vocabulary = vocabulary
        self._mask = np.zeros((1, (_size(vocabulary) + 31) // 32), dtype=np.int32)

    @property
    def complete(self) -> bool:
        """Whether the answer may end here."""
        return self._matcher.is_accepting()

    def allowed(self) -> NDArray[np.int64]:
        """The token ids that may follow."""
        ids: list[int] = []
        if not self._matcher.is_stopped():
            llguidance.numpy.fill_next_token_bitmask(self._matcher, self._mask)
            for index in np.unpackbits(self._mask.view(np.uint8).ravel(), bitorder="little").nonzero()[0].tolist():
                ids.extend(_twins(index, self._vocabulary))
        return np.array(ids or self._vocabulary.end_ids, dtype=np.int64)

    def advance(self, token: int) -> None:
        """Take one token. A refused one, be it for llguidance's own limits, ends the answer: others must go on."""
        if token not in self._vocabulary.end_ids:
            self._matcher.consume_token(_twins(token, self._vocabulary)[0])


class _Tokens:
    """A vocabulary as llguidance asks for it. Of tokens with the same bytes it knows one: here, the first."""

    bos_token_id = None

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self.eos_token_id = vocabulary.end_ids[0]
        self.tokens = [
            vocabulary.token_bytes.get(index, b"") if _twins(index, vocabulary)[0] == index else b""
            for index in range(_size(vocabulary))
        ]
        self.special_token_ids = [index for index, piece in enumerate(self.tokens) if not piece]

    def __call__(self, text: bytes) -> Sequence[int]:
        """The longest token at each place; up to a byte that no token begins with."""
        ids: list[int] = []
        while text and (longest := self._longest(text)):
            index, length = longest
            ids.append(index)
            text = text[length:]
        return ids

    def _longest(self, text: bytes) -> tuple[int, int] | None:
        found, node = None, ROOT
        for length, byte in enumerate(text, start=1):
            following = self._vocabulary.step(node, byte)
            if following is None:
                break
            node = following
            if ids := self._vocabulary.ids_at.get(node):
                found = ids[0], length
        return found


def _twins(token: int, vocabulary: Vocabulary) -> tuple[int, ...]:
    """All tokens with the bytes of this one: in Llama's vocabularies letters have a token as such and one as a byte."""
    node = vocabulary.node(vocabulary.token_bytes.get(token, b""))
    return vocabulary.ids_at.get(node or ROOT) or (token,)


def _size(vocabulary: Vocabulary) -> int:
    return max(*vocabulary.token_bytes, *vocabulary.end_ids) + 1


@lru_cache(4)
def _tokenizer(vocabulary: Vocabulary) -> LLTokenizer:
    return LLTokenizer(TokenizerWrapper(_Tokens(vocabulary)), eos_token=list(vocabulary.end_ids))


@lru_cache(64)
def _matcher(constraint: Regex | JsonSchema, vocabulary: Vocabulary) -> LLMatcher:
    try:
        if isinstance(constraint, Regex):
            check_regex(constraint.pattern)
        else:
            check_schema(json.loads(constraint.schema))
    except ValueError as error:
        raise RefusedRequestError("unusable_constraint", f"the answer's form cannot be used: {error}") from error
    if isinstance(constraint, Regex):
        grammar = LLMatcher.grammar_from_regex(constraint.pattern)
    else:
        # Free to write blanks between the parts of a JSON answer, small models write nothing else.
        grammar = LLMatcher.grammar_from_json_schema(constraint.schema, overrides={"whitespace_flexible": False})
    matcher = LLMatcher(_tokenizer(vocabulary), grammar, log_level=0)
    if matcher.is_error():
        lines = [line for line in matcher.get_error().splitlines() if line.strip()]
        # Of a regular expression's error the reason stands below the place.
        reason = next((line for line in lines if line.startswith("error: ")), lines[0]).removeprefix("error: ")
        raise RefusedRequestError("unusable_constraint", f"the answer's form cannot be used: {reason[:300]}")
    return matcher
