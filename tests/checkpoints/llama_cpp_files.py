"""llama.cpp files of tiny networks, written as llama.cpp's own converter writes them."""

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from tests.tiny_checkpoint import train_tokenizer

NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "model.layers": "blk",
}
SHAPE = {
    "vocab_size": 704,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 2048,
    "rms_norm_eps": 1e-5,
    "rope_theta": 5e4,
    "initializer_range": 0.2,
}
TYPES = {
    int: gguf.GGUFValueType.UINT32,
    float: gguf.GGUFValueType.FLOAT32,
    str: gguf.GGUFValueType.STRING,
}


def tiny_network(architecture: str, *, tied: bool) -> nn.Module:
    torch.manual_seed(0)
    config = LlamaConfig if architecture == "llama" else Qwen2Config
    made = LlamaForCausalLM if architecture == "llama" else Qwen2ForCausalLM
    network: nn.Module = made(config(**SHAPE, tie_word_embeddings=tied)).eval()
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            nn.init.normal_(parameter, std=0.5)
    return network


def write_file(
    path: Path,
    network: nn.Module,
    *,
    architecture: str,
    tokenizer: PreTrainedTokenizerFast | None = None,
    packed: str | None = None,
    leave_out: str | None = None,
    **changes: object,
) -> Path:
    """`packed` matrices, without the tensor or key `leave_out`, and with other metadata (`__` for a dot)."""
    writer = gguf.GGUFWriter(path, architecture)
    config: Any = network.config
    prefix = architecture
    metadata: dict[str, Any] = {
        f"{prefix}.block_count": config.num_hidden_layers,
        f"{prefix}.context_length": config.max_position_embeddings,
        f"{prefix}.embedding_length": config.hidden_size,
        f"{prefix}.feed_forward_length": config.intermediate_size,
        f"{prefix}.attention.head_count": config.num_attention_heads,
        f"{prefix}.attention.head_count_kv": config.num_key_value_heads,
        f"{prefix}.attention.layer_norm_rms_epsilon": config.rms_norm_eps,
        f"{prefix}.rope.freq_base": float(config.rope_parameters["rope_theta"]),
        **_vocabulary(tokenizer or train_tokenizer(), config.vocab_size),
        **{name.replace("__", "."): value for name, value in changes.items()},
    }
    for key, value in metadata.items():
        if key == leave_out:
            continue
        writer.add_key_value(key, value, TYPES.get(type(value), gguf.GGUFValueType.ARRAY))
    for name, tensor in network.state_dict().items():
        stored = name
        for ours, theirs in NAMES.items():
            stored = stored.replace(ours, theirs)
        if stored == leave_out or (name == "lm_head.weight" and config.tie_word_embeddings):
            continue
        rows = tensor.float()
        if architecture == "llama" and ("q_proj" in name or "k_proj" in name):
            rows = side_by_side(rows, config.num_attention_heads if "q_proj" in name else config.num_key_value_heads)
        numbers = np.ascontiguousarray(rows.numpy())
        if packed is not None and numbers.ndim == 2:
            kind = gguf.GGMLQuantizationType[packed]
            writer.add_tensor(stored, gguf.quantize(numbers, kind), raw_dtype=kind)
        else:
            writer.add_tensor(stored, numbers)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def side_by_side(rows: torch.Tensor, heads: int) -> torch.Tensor:
    """llama.cpp's order: the two components that a position turns stand side by side."""
    width = rows.shape[0] // heads
    order = [half * width // 2 + pair for pair in range(width // 2) for half in (0, 1)]
    return torch.cat([rows[head * width : (head + 1) * width][order] for head in range(heads)])


def _vocabulary(tokenizer: PreTrainedTokenizerFast, size: int) -> dict[str, Any]:
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    texts = [text for text, _ in sorted(state["model"]["vocab"].items(), key=lambda item: item[1])]
    types = [3 if text in tokenizer.all_special_tokens else 1 for text in texts]
    types[texts.index("<|im_start|>")] = 3
    fill = [f"[PAD{number}]" for number in range(len(texts), size)]
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "smollm",
        "tokenizer.ggml.tokens": texts + fill,
        "tokenizer.ggml.token_type": types + [5] * len(fill),
        "tokenizer.ggml.merges": [" ".join(pair) for pair in state["model"]["merges"]],
        "tokenizer.ggml.eos_token_id": texts.index("<|im_end|>"),
        "tokenizer.ggml.padding_token_id": texts.index("<|endoftext|>"),
        "tokenizer.chat_template": tokenizer.chat_template,
    }
