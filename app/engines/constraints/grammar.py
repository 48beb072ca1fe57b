"""Answers that a regular expression or a JSON schema describes, by llguidance, which vLLM brings along."""

import json
from collections.abc import Sequence
from functools import lru_cache

import llguidance.numpy
import numpy as np
from llguidance import LLMatcher, LLParserLimits, LLTokenizer, TokenizerWrapper
from numpy.typing import NDArray

from app.engines.base import RefusedRequestError
from app.engines.constraints.limits import check_regex, check_schema
from app.engines.constraints.vocabulary import ROOT, Vocabulary
from app.types import JsonSchema, Regex

LIMITS = LLParserLimits(step_max_items=5_000)
"""A tenth of llguidance's own: what it gives up after that many, it gave up after half a second, in which all wait."""


class GrammarAutomaton:
    """An answer of a grammar in the making. One that grows beyond llguidance's limits on the way ends where it is."""

    def __init__(self, constraint: Regex | JsonSchema, vocabulary: Vocabulary) -> None:
        self._matcher = _matcher(constraint, vocabulary).deep_copy()
        self._tokens, _ = _tokenizer(vocabulary)
        self._end_ids = vocabulary.end_ids
        self._mask = np.zeros((1, (len(self._tokens.tokens) + 31) // 32), dtype=np.int32)

    @property
    def complete(self) -> bool:
        """Whether the answer may end here."""
        return self._matcher.is_accepting()

    def allowed(self) -> NDArray[np.int64]:
        """The token ids that may follow."""
        if not self._matcher.is_stopped():
            llguidance.numpy.fill_next_token_bitmask(self._matcher, self._mask)
            bits = np.unpackbits(self._mask.view(np.uint8).ravel(), bitorder="little").astype(bool)
            bits[self._tokens.others] = bits[self._tokens.known]
            if len(ids := bits.nonzero()[0]):
                return ids
        return np.array(self._end_ids, dtype=np.int64)

    def advance(self, token: int) -> None:
        """Take one token. A refused one, be it for llguidance's own limits, ends the answer: others must go on."""
        if token not in self._end_ids:
            self._matcher.consume_token(self._tokens.known_for.get(token, token))


class _Tokens:
    """A vocabulary as llguidance asks for it.

    Of tokens with the same bytes it knows one. Llama's vocabularies hold a letter as such and as a byte: `known_for`
    has the token that stands for each of the `others`, and `known` the same in their order.
    """

    bos_token_id = None

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self.eos_token_id = vocabulary.end_ids[0]
        self.known_for = {other: ids[0] for ids in vocabulary.ids_at.values() for other in ids[1:]}
        self.others = np.array([*self.known_for], dtype=np.int64)
        self.known = np.array([*self.known_for.values()], dtype=np.int64)
        size = max(*vocabulary.token_bytes, *vocabulary.end_ids) + 1
        pieces = vocabulary.token_bytes
        self.tokens = [b"" if i in self.known_for else pieces.get(i, b"") for i in range(size)]
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


@lru_cache(4)
def _tokenizer(vocabulary: Vocabulary) -> tuple[_Tokens, LLTokenizer]:
    tokens = _Tokens(vocabulary)
    return tokens, LLTokenizer(TokenizerWrapper(tokens), eos_token=list(vocabulary.end_ids))


@lru_cache(64)
def _matcher(constraint: Regex | JsonSchema, vocabulary: Vocabulary) -> LLMatcher:
    try:
        if isinstance(constraint, Regex):
            # A list of choices is a long expression, and no costly one.
            check_regex(constraint.pattern, len(constraint.pattern))
        else:
            check_schema(json.loads(constraint.schema))
    except ValueError as error:
        raise RefusedRequestError("unusable_constraint", f"the answer's form cannot be used: {error}") from error
    if isinstance(constraint, Regex):
        grammar = LLMatcher.grammar_from_regex(constraint.pattern)
    else:
        # Free to write blanks between the parts of a JSON answer, small models write nothing else.
        grammar = LLMatcher.grammar_from_json_schema(constraint.schema, overrides={"whitespace_flexible": False})
    tokens, tokenizer = _tokenizer(vocabulary)
    matcher = LLMatcher(tokenizer, grammar, log_level=0, limits=LIMITS)
    if not matcher.is_error():
        # That nothing fits is seen at the first token only, and would be an empty answer.
        begun = matcher.deep_copy()
        llguidance.numpy.fill_next_token_bitmask(begun, llguidance.numpy.allocate_token_bitmask(1, len(tokens.tokens)))
        if begun.is_error():
            matcher = begun
    if matcher.is_error():
        lines = [line for line in matcher.get_error().splitlines() if line.strip()]
        if lines[0].startswith("NoExtension"):
            lines = ["no text fits it"]
        # Of a regular expression's error the reason stands below the place.
        reason = next((line for line in lines if line.startswith("error: ")), lines[0]).removeprefix("error: ")
        raise RefusedRequestError("unusable_constraint", f"the answer's form cannot be used: {reason[:300]}")
    return matcher
