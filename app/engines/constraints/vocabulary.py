"""The tokens of a checkpoint as byte strings, arranged for walking."""

import json
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Self

from app.errors import SetupError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


ROOT = 0
"""The trie's first node: nothing read yet."""

WORD_START = "▁"
"""What sentencepiece-style vocabularies write for a space."""


class Vocabulary:
    """Token ids by their bytes, as a trie: `edges[node << 8 | byte]` is the next node.

    Special tokens have no bytes and stand nowhere in the trie. Several ids may share the same bytes.
    """

    def __init__(
        self, token_bytes: Mapping[int, bytes], end_ids: Iterable[int], *, leading_space: bool = False
    ) -> None:
        """Arrange what each ordinary token adds to the text.

        `leading_space`: whether the tokenizer naturally opens a text with a space that decoding drops.
        """
        self.token_bytes = dict(token_bytes)
        self.end_ids = tuple(sorted(set(end_ids)))
        self.leading_space = leading_space
        self.edges: dict[int, int] = {}
        self.ids_at: dict[int, tuple[int, ...]] = {}
        nodes = ROOT
        for index, piece in self.token_bytes.items():
            node = ROOT
            for byte in piece:
                following = self.edges.setdefault(node << 8 | byte, nodes + 1)
                nodes = max(nodes, following)
                node = following
            self.ids_at[node] = (*self.ids_at.get(node, ()), index)

    @classmethod
    def from_tokenizer(cls, tokenizer: "PreTrainedTokenizerBase", end_ids: Iterable[int]) -> Self:
        """Read a Hugging Face tokenizer: byte-level BPE or sentencepiece-style with byte fallback.

        Raises:
            SetupError: another kind of tokenizer.
        """
        byte_level = _is_byte_level(tokenizer)
        to_bytes = _byte_level_bytes if byte_level else _sentencepiece_bytes
        added = dict(tokenizer.added_tokens_decoder)
        tokens: dict[int, bytes] = {}
        for text, index in tokenizer.get_vocab().items():
            if index not in added:
                tokens[index] = to_bytes(text)
            elif not added[index].special:
                tokens[index] = added[index].content.encode()
        special = set(tokenizer.all_special_ids) | set(end_ids)
        return cls(
            {index: piece for index, piece in tokens.items() if piece and index not in special},
            end_ids,
            leading_space=not byte_level,
        )

    def step(self, node: int, byte: int) -> int | None:
        """The node after one more byte, or None where no token goes on that way."""
        return self.edges.get(node << 8 | byte)

    @cached_property
    def single_bytes(self) -> frozenset[int]:
        """The bytes that some token consists of. Text made of these can always be written to its end."""
        return frozenset(piece[0] for piece in self.token_bytes.values() if len(piece) == 1)

    def label_ids(self, label: str) -> tuple[int, ...]:
        """All tokens whose text, stripped of white space, is the label. Empty where there is none."""
        return self._by_stripped_text.get(label, ())

    @cached_property
    def _by_stripped_text(self) -> dict[str, tuple[int, ...]]:
        found: dict[str, list[int]] = {}
        for index, piece in sorted(self.token_bytes.items()):
            found.setdefault(piece.decode(errors="replace").strip(), []).append(index)
        return {text: tuple(ids) for text, ids in found.items()}


def _is_byte_level(tokenizer: "PreTrainedTokenizerBase") -> bool:
    """Whether tokens stand for bytes (True) or for sentencepiece-style text (False)."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    state = json.loads(backend.to_str()) if backend is not None else {}
    if "ByteLevel" in json.dumps([state.get("decoder"), state.get("pre_tokenizer")]):
        return True
    if any(text.startswith(WORD_START) for text in tokenizer.get_vocab()):
        return False
    raise SetupError(
        f"{tokenizer.name_or_path}: its tokenizer is neither byte-level BPE nor sentencepiece-style; "
        "constrained answers need one of these, so use another checkpoint"
    )


_PRINTABLE = (*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100))
_OTHERS = [byte for byte in range(256) if byte not in _PRINTABLE]
_BYTE_OF_CHARACTER = {chr(byte): byte for byte in _PRINTABLE} | {chr(0x100 + i): byte for i, byte in enumerate(_OTHERS)}
"""The printable character that byte-level BPE (GPT-2) writes for each byte, inverted."""


def _byte_level_bytes(text: str) -> bytes:
    if all(character in _BYTE_OF_CHARACTER for character in text):
        return bytes(_BYTE_OF_CHARACTER[character] for character in text)
    return text.encode(errors="ignore")


def _sentencepiece_bytes(text: str) -> bytes:
    if len(text) == 6 and text.startswith("<0x") and text.endswith(">"):
        return bytes([int(text[3:5], 16)])
    return text.replace(WORD_START, " ").encode()
