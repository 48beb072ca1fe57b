"""llama.cpp's file format, GGUF: a network's configuration and tensors under the names that transformers has.

Names and layouts are those of llama.cpp's own converter (`convert_hf_to_gguf.py`), read backwards. What is not known to
come out right is refused by name: an architecture, a tensor, a way to stretch positions.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from app.errors import InputError, library

MAGIC = b"GGUF"


@dataclass(frozen=True, slots=True)
class Architecture:
    """What one of llama.cpp's architectures is called here, and where its layouts differ."""

    model_type: str
    biases: bool
    """Whether queries, keys and values have biases."""
    interleaved: bool
    """Whether llama.cpp turns neighbouring components of queries and keys where transformers turns two halves."""


ARCHITECTURES = {
    "llama": Architecture("llama", biases=False, interleaved=True),
    "qwen2": Architecture("qwen2", biases=True, interleaved=False),
}

EMBEDDING, HEAD = "token_embd.weight", "output.weight"
_LAYER = {
    "attn_norm.weight": "input_layernorm.weight",
    "attn_q.weight": "self_attn.q_proj.weight",
    "attn_k.weight": "self_attn.k_proj.weight",
    "attn_v.weight": "self_attn.v_proj.weight",
    "attn_output.weight": "self_attn.o_proj.weight",
    "ffn_norm.weight": "post_attention_layernorm.weight",
    "ffn_gate.weight": "mlp.gate_proj.weight",
    "ffn_up.weight": "mlp.up_proj.weight",
    "ffn_down.weight": "mlp.down_proj.weight",
}
_BIASES = {f"attn_{part}.bias": f"self_attn.{part}_proj.bias" for part in "qkv"}

T = TypeVar("T", int, float, str, bool, list)  # type: ignore[type-arg]  # lists of whatever stands there


class GgufFile:
    """An open file: its metadata by key, its tensors by transformers' names. Numbers are read when asked for."""

    def __init__(self, path: Path) -> None:
        """Read the header and find every tensor.

        Raises:
            InputError: it is no such file, is damaged, or holds something that is not known here.
            SetupError: the library that reads it is missing.
        """
        self.path = path
        self._fields, tensors = _opened(path)
        name = self.value("general.architecture", str)
        if name not in ARCHITECTURES:
            raise InputError(f"{path} is of architecture {name!r}: known here are {', '.join(ARCHITECTURES)}")
        self._prefix, self.architecture = name, ARCHITECTURES[name]
        self.tied = HEAD not in tensors
        """Whether the output layer is the embedding."""
        self.tensors = {ours: tensors[theirs] for theirs, ours in self._names(tensors).items()}
        """The library's tensors by the names that transformers gives them."""

    def value(self, key: str, kind: type[T], default: T | None = None) -> T:
        """What the metadata hold at a key.

        Raises:
            InputError: there is nothing and no default, or something of another kind.
        """
        if key not in self._fields:
            if default is None:
                raise InputError(f"{self.path} names no {key}: it cannot be read without")
            return default
        found = self._fields[key].contents()
        if not isinstance(found, kind):
            raise InputError(f"{self.path}: {key} is a {type(found).__name__} where a {kind.__name__} is needed")
        return found

    def _number(self, key: str, default: int | None = None) -> int:
        return self.value(f"{self._prefix}.{key}", int, default)

    @property
    def heads(self) -> int:
        """Of queries, in each layer."""
        return self._number("attention.head_count")

    @property
    def key_heads(self) -> int:
        """Of keys and values, in each layer."""
        return self._number("attention.head_count_kv", self.heads)

    def config(self) -> dict[str, Any]:
        """The network's shape, as fields of a `config.json`.

        Raises:
            InputError: a number is missing, or the positions are made in a way that is not known here.
        """
        hidden = self._number("embedding_length")
        width = self._number("attention.key_length", hidden // self.heads)
        stretched = self.value(f"{self._prefix}.rope.scaling.type", str, "none")
        if stretched != "none":
            raise InputError(f"{self.path} stretches its positions ({stretched}), which is not known here")
        if self._number("rope.dimension_count", width) != width:
            raise InputError(f"{self.path} turns a part of each head only, which is not known here")
        theta = self.value(f"{self._prefix}.rope.freq_base", float, 10_000.0)
        epsilon = self.value(f"{self._prefix}.attention.layer_norm_rms_epsilon", float)
        return {
            "vocab_size": int(self.tensors["model.embed_tokens.weight"].shape[1]),
            "hidden_size": hidden,
            "intermediate_size": self._number("feed_forward_length"),
            "num_hidden_layers": self._number("block_count"),
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.key_heads,
            "head_dim": width,
            "hidden_act": "silu",
            "max_position_embeddings": self._number("context_length"),
            # Stored in 32 bits: the shortest number that is the same there is the one that was meant.
            "rms_norm_eps": float(str(np.float32(epsilon))),
            "rope_parameters": {"rope_type": "default", "rope_theta": float(str(np.float32(theta)))},
            "tie_word_embeddings": self.tied,
        }

    def shape(self, name: str) -> tuple[int, ...]:
        """Of a tensor, as transformers has it."""
        return tuple(int(size) for size in reversed(self.tensors[name].shape))

    def read(self, name: str) -> torch.Tensor:
        """A tensor in float32, with llama.cpp's order of rows undone.

        Raises:
            InputError: its numbers are packed in a way that the library cannot read.
        """
        from gguf import dequantize

        stored = self.tensors[name]
        try:
            tensor = torch.from_numpy(np.array(dequantize(stored.data, stored.tensor_type), dtype=np.float32))
        except (NotImplementedError, ValueError) as error:
            raise InputError(f"{self.path}: {stored.name} is packed as {stored.tensor_type.name}: {error}") from error
        if self.architecture.interleaved and name.endswith(("q_proj.weight", "k_proj.weight")):
            return in_halves(tensor, self.heads if "q_proj" in name else self.key_heads)
        return tensor

    def _names(self, tensors: dict[str, Any]) -> dict[str, str]:
        """Ours by theirs, for all tensors that the architecture has."""
        names = {EMBEDDING: "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}
        if not self.tied:
            names[HEAD] = "lm_head.weight"
        parts = _LAYER | (_BIASES if self.architecture.biases else {})
        for layer in range(self._number("block_count")):
            names |= {f"blk.{layer}.{theirs}": f"model.layers.{layer}.{ours}" for theirs, ours in parts.items()}
        if missing := sorted(names.keys() - tensors.keys()):
            raise InputError(f"{self.path} has no {missing[0]}: complete the file, or take it from another place")
        if more := sorted(tensors.keys() - names.keys()):
            raise InputError(f"{self.path} has {more[0]}, which {self._prefix} is not known to have here")
        return names


def in_halves(rows: torch.Tensor, heads: int) -> torch.Tensor:
    """Rows of queries or keys, (heads x width, inputs), from llama.cpp's order within each head into transformers'.

    Rotary positions turn pairs of components. llama.cpp has the two of a pair side by side, transformers in two halves.
    """
    pairs = rows.shape[0] // heads // 2
    return rows.reshape(heads, pairs, 2, -1).transpose(1, 2).reshape(rows.shape)


def _opened(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields and tensors of a file as the library has them."""
    gguf = library("gguf", "a file of llama.cpp's", "train")
    try:
        with path.open("rb") as file:
            start = file.read(len(MAGIC))
        if start != MAGIC:
            raise InputError(f"{path} is no GGUF file: it does not begin with {MAGIC.decode()}")
        reader = gguf.GGUFReader(path)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, IndexError, KeyError, OverflowError, TypeError) as error:
        raise InputError(f"{path} is damaged or incomplete ({error}): copy it again") from error
    return dict(reader.fields), {tensor.name: tensor for tensor in reader.tensors}
