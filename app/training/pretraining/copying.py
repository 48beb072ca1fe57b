"""Initial weights that already copy: what followed a token the last time is predicted to follow it again.

A transformer learns to copy by forming induction heads (Olsson et al., 2022, arXiv 2209.11895): a head that tells
every position its previous token, and in a later layer one that looks for positions whose previous token is the
current one. Small models form them late or not at all within some ten million tokens. Both heads have a closed form
in a Qwen2 model, whose queries and keys have biases and rotate with the position, so training begins with them.
"""

import torch
from torch import nn
from transformers import Qwen2Config, Qwen2ForCausalLM

PREVIOUS_HEADS = 3
"""Heads of the first layer that pass on the previous token; the others begin as matching heads."""
SHARPNESS = 9.0
"""Length of each rotating pair of the positional query and key: how much one step of distance matters."""
MATCH = 2.0
"""Gain of the query and the key of a copying head."""
PASSED_ON = 1.5
COPIED = 3.0
"""Gains of what is written to the residual stream, against the length of an embedding."""
SLOW = 0.003
"""Pairs that rotate by at most so many radians a token carry content: over 300 tokens they still point alike."""
ATTENTION_RANGE = 0.04
RESEMBLANCE = 0.9


@torch.no_grad()
def start_copying(model: Qwen2ForCausalLM) -> None:
    """Put copying heads into the first two layers; all other blocks begin by writing nothing.

    The other heads' keys begin as 0.9 of their queries, so that like attends to like ("mimetic initialization",
    Trockman and Kolter, 2023, arXiv 2305.09828).
    """
    for layer in model.model.layers:
        attention = layer.self_attn
        nn.init.zeros_(layer.mlp.down_proj.weight)
        nn.init.zeros_(attention.o_proj.weight)
        for projection in (attention.q_proj, attention.k_proj, attention.v_proj):
            nn.init.zeros_(projection.bias)
        query, key = attention.q_proj.weight, attention.k_proj.weight
        nn.init.normal_(query, std=ATTENTION_RANGE)
        noise = torch.randn_like(key) * ATTENTION_RANGE
        key.copy_(RESEMBLANCE * query + (1 - RESEMBLANCE**2) ** 0.5 * noise)
    first, second = model.model.layers[0].self_attn, model.model.layers[1].self_attn
    read, written = _pass_on_previous(first, model.config)
    _copy_what_followed(second, model.config, read, written)


def frequencies(config: Qwen2Config) -> torch.Tensor:
    """Radians by which each pair of a head's dimensions rotates a token, fastest first (head size / 2)."""
    pairs = config.hidden_size // config.num_attention_heads // 2
    base = float(config.rope_parameters["rope_theta"])
    return base ** (-torch.arange(pairs) / pairs)


def slow_dimensions(config: Qwen2Config) -> list[int]:
    """The dimensions of a head whose pairs hardly rotate: a pair is made of dimensions i and i + head size / 2."""
    rates = frequencies(config)
    slow = [pair for pair in range(len(rates)) if rates[pair] < SLOW]
    return slow + [pair + len(rates) for pair in slow]


def _pass_on_previous(attention: nn.Module, config: Qwen2Config) -> tuple[torch.Tensor, torch.Tensor]:
    """Constant queries and keys, apart by one step of rotation, meet exactly one position back.

    Returns what the heads read of the previous token (heads x head size, hidden size), and where they write it
    (hidden size, heads x head size).
    """
    rates = frequencies(config)
    size = 2 * len(rates)
    read = _orthonormal(PREVIOUS_HEADS * size, config.hidden_size)
    written = _orthonormal(config.hidden_size, PREVIOUS_HEADS * size)
    rows = slice(0, PREVIOUS_HEADS * size)
    for name in ("q_proj", "k_proj"):
        attention.get_parameter(f"{name}.weight")[rows].mul_(0.1)
    key = torch.cat([torch.full_like(rates, SHARPNESS), torch.zeros_like(rates)])
    query = SHARPNESS * torch.cat([rates.cos(), -rates.sin()])
    attention.get_parameter("k_proj.bias")[rows] = key.repeat(PREVIOUS_HEADS)
    attention.get_parameter("q_proj.bias")[rows] = query.repeat(PREVIOUS_HEADS)
    attention.get_parameter("v_proj.weight")[rows] = read
    attention.get_parameter("o_proj.weight")[:, rows] = written * (config.initializer_range * PASSED_ON)
    return read, written


def _copy_what_followed(attention: nn.Module, config: Qwen2Config, read: torch.Tensor, written: torch.Tensor) -> None:
    """The query is the current token, the key the previous token as passed on, the value the token itself."""
    heads, size = config.num_attention_heads, config.hidden_size // config.num_attention_heads
    slow = slow_dimensions(config)
    values = _orthonormal(config.hidden_size, config.hidden_size)
    for head in range(heads):
        rows = slice(head * size, (head + 1) * size)
        source = slice(head % PREVIOUS_HEADS * size, (head % PREVIOUS_HEADS + 1) * size)
        mixed = _orthonormal(len(slow), size)
        query, key = torch.zeros(size, config.hidden_size), torch.zeros(size, config.hidden_size)
        query[slow] = MATCH * mixed @ read[source]
        key[slow] = MATCH * mixed @ written[:, source].T
        attention.get_parameter("q_proj.weight")[rows] = query
        attention.get_parameter("k_proj.weight")[rows] = key
    attention.get_parameter("v_proj.weight").copy_(values)
    attention.get_parameter("o_proj.weight").copy_(values.T * (config.initializer_range * COPIED))


def _orthonormal(rows: int, columns: int) -> torch.Tensor:
    """Random orthonormal columns, or rows where there are fewer of these."""
    q, _ = torch.linalg.qr(torch.randn(max(rows, columns), min(rows, columns)))
    return q if rows >= columns else q.T
