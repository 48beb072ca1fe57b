"""Initial weights that already look back: they copy what followed before, and find the line of a list that fits.

A transformer learns to copy by forming induction heads (Olsson et al., 2022, arXiv 2209.11895). To answer with the
number of a listed entry, it has to know for every token the number that its line begins with, and whether the token
occurred before. Small models form such heads late or not at all within some ten million tokens. All of them have a
closed form in a Qwen2 model, whose queries and keys have biases and rotate with the position, so training begins with
them and refines them. The residual stream is laid out in blocks for what the heads tell each other.

Gradient descent keeps the heads only if it moves slowly against them: embeddings begin long enough that a step of the
optimizer is small beside them, and the attention of these layers learns at a fraction of the rate (`network.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import nn
from transformers import Qwen2Config, Qwen2ForCausalLM

EMBEDDING_RANGE = 0.14
"""Standard deviation of the embeddings, in their half of the residual stream."""
KINSHIP = 0.75
"""Correlation of the embeddings of "Lamp", " lamp" and "lamp"."""
COMMON = 1200
"""From this place on in the vocabulary, tokens are words that mean something."""
FLAG = 0.5
"""What a flag adds in the embeddings."""
FINAL_NORM = 0.4
"""Gain before the output layer, which begins as the embeddings: with long embeddings, logits would begin too sharp."""
SHARPNESS = 9.0
"""Length of each rotating pair of the positional query and key: how much one step of distance matters."""
NEAR = (0.01, 0.2)
"""Pairs that rotate by so many radians a token tell near lines from far ones ..."""
NEARNESS = 1.9
"""... and are as long as this over the cube root of their rate: long lines are told apart by the slower pairs."""
SLOW = 0.003
"""Pairs that rotate by at most so many radians a token carry content: over 300 tokens they still point alike."""
MATCH = 2.3
"""Gain of query and key where a token is compared with previous ones."""
SINK = 12.0
"""Query for the text's beginning: how much better than it a match has to be."""
SEEN = 4.0
"""Gain of the answering head's query, where an answer begins."""
PASSED_ON = 0.14
COPIED = 0.7
NUMBERED = 1.2
OTHER = 0.02
"""Gains of what the heads write: previous tokens and line signs, what followed, line numbers, all others."""
CIRCUIT_LAYERS = 3
"""Layers that begin with these heads."""
ATTENTION_RANGE = 0.04
RESEMBLANCE = 0.9
"""Standard deviation of all other queries, and correlation of the keys with them."""


@dataclass(frozen=True, slots=True)
class _Blocks:
    """Where in the residual stream what is written; all sizes follow from the size of a head."""

    embedding: slice
    previous: tuple[slice, slice]
    before: slice
    first_sign: slice
    second_sign: slice
    line_end: int
    common: int
    start: int
    opening: int
    seen: tuple[int, int]


def _blocks(config: Qwen2Config) -> _Blocks:
    size = config.hidden_size // config.num_attention_heads
    half = config.hidden_size // 2
    ends = [half, half + size, half + 2 * size, half + 5 * size // 2, half + 3 * size, half + 7 * size // 2]
    edges = [slice(*edge) for edge in pairwise(ends)]
    flags = ends[-1]
    return _Blocks(
        slice(0, half),
        (edges[0], edges[1]),
        edges[2],
        edges[3],
        edges[4],
        flags,
        flags + 1,
        flags + 2,
        flags + 3,
        (flags + 4, flags + 5),
    )


def frequencies(config: Qwen2Config) -> torch.Tensor:
    """Radians by which each pair of a head's dimensions rotates a token, fastest first (head size / 2)."""
    pairs = config.hidden_size // config.num_attention_heads // 2
    base = float(config.rope_parameters["rope_theta"])
    return torch.pow(base, -torch.arange(pairs) / pairs)


def slow_dimensions(config: Qwen2Config) -> list[int]:
    """The dimensions of a head whose pairs hardly rotate: a pair is made of dimensions i and i + head size / 2."""
    rates = frequencies(config)
    slow = [pair for pair in range(len(rates)) if rates[pair] < SLOW]
    return slow + [pair + len(rates) for pair in slow]


@torch.no_grad()
def start_looking_back(model: Qwen2ForCausalLM, vocabulary: Sequence[str], start: int, opening: int) -> None:
    """Put the heads into the first three layers; everything else begins by writing little or nothing.

    `vocabulary` is the text of every token, `start` the token that every text begins with, `opening` the
    last word before the line end behind which an answer begins.
    """
    config, layers = model.config, model.model.layers
    blocks = _blocks(config)
    embeddings = model.model.embed_tokens.weight
    embeddings.zero_()
    embeddings[:, blocks.embedding] = EMBEDDING_RANGE * _kindred(vocabulary, config.hidden_size // 2)
    embeddings[[token.endswith("\n") for token in vocabulary], blocks.line_end] = FLAG
    embeddings[:, blocks.common] = FLAG * torch.tensor([_commonness(*numbered) for numbered in enumerate(vocabulary)])
    embeddings[start, blocks.start] = FLAG
    embeddings[opening, blocks.opening] = FLAG
    model.lm_head.weight.copy_(embeddings)
    nn.init.constant_(model.model.norm.weight, FINAL_NORM)
    for layer in layers:
        nn.init.zeros_(layer.mlp.down_proj.weight)
        _match_alike(layer.self_attn, config)
    reads = _pass_on(_Heads(layers[0].self_attn, config, blocks))
    second = _Heads(layers[1].self_attn, config, blocks)
    number = _orthonormal(second.size // 2, config.hidden_size // 2)
    second.carry_number(0, blocks.previous[0], blocks.first_sign, number)
    second.carry_number(1, blocks.before, blocks.second_sign, number)
    for place in (0, 1):
        second.flag_seen(2 + place, reads[place], blocks.previous[place], blocks.seen[place])
    values = _orthonormal(config.hidden_size // 2, config.hidden_size // 2)
    for place in range(3):
        second.copy_what_followed(4 + place, reads[place % 2], blocks.previous[place % 2], values, place)
    third = _Heads(layers[2].self_attn, config, blocks)
    third.answer_number(0, blocks.first_sign, number, None)
    third.answer_number(1, blocks.second_sign, number, blocks.first_sign)
    for place in range(2):
        third.copy_what_followed(2 + place, reads[place], blocks.previous[place], values, 2 + place)


def _kindred(vocabulary: Sequence[str], width: int) -> torch.Tensor:
    """Random vectors of unit variance; tokens that differ in spaces and capitals only have most of theirs in common."""
    groups: dict[str, int] = {}
    places = torch.tensor([groups.setdefault(token.strip().lower() or token, len(groups)) for token in vocabulary])
    shared, own = torch.randn(len(groups), width), torch.randn(len(vocabulary), width)
    vectors: torch.Tensor = KINSHIP**0.5 * shared[places] + (1 - KINSHIP) ** 0.5 * own
    return vectors


def _commonness(number: int, token: str) -> float:
    """One for signs and the pairs that a tokenizer learns first, nought for its later words."""
    return max(0.0, 1.0 - number / COMMON) if any(map(str.isalpha, token)) else 1.0


def _match_alike(attention: nn.Module, config: Qwen2Config) -> None:
    """Like attends to like, weakly ("mimetic initialization", Trockman and Kolter, 2023, arXiv 2305.09828)."""
    query, key = attention.get_parameter("q_proj.weight"), attention.get_parameter("k_proj.weight")
    nn.init.normal_(query, std=ATTENTION_RANGE)
    key.copy_(RESEMBLANCE * query + (1 - RESEMBLANCE**2) ** 0.5 * torch.randn_like(key) * ATTENTION_RANGE)
    value = _orthonormal(config.hidden_size, config.hidden_size)
    attention.get_parameter("v_proj.weight").copy_(value)
    attention.get_parameter("o_proj.weight").copy_(value.T * OTHER)
    for name in ("q_proj", "k_proj", "v_proj"):
        nn.init.zeros_(attention.get_parameter(f"{name}.bias"))


class _Heads:
    """The heads of one attention layer, to be set one by one."""

    def __init__(self, attention: nn.Module, config: Qwen2Config, blocks: _Blocks) -> None:
        self.size = config.hidden_size // config.num_attention_heads
        self.width = config.hidden_size
        self.rates = frequencies(config)
        self.slow = slow_dimensions(config)
        self.blocks = blocks
        self._attention = attention

    def clear(self, head: int) -> slice:
        """Zero everything of a head; returns its rows."""
        rows = slice(head * self.size, (head + 1) * self.size)
        for name in ("q_proj", "k_proj", "v_proj"):
            self.get(f"{name}.weight")[rows] = 0.0
            self.get(f"{name}.bias")[rows] = 0.0
        self.get("o_proj.weight")[:, rows] = 0.0
        return rows

    def get(self, name: str) -> torch.Tensor:
        """A weight of the layer."""
        return self._attention.get_parameter(name)

    def look_back(self, head: int, steps: int, read: torch.Tensor, flag: int, written: slice) -> None:
        """Pass on what `read` (dimensions, embedding) sees of the token so many steps back, and one of its flags.

        Constant queries and keys, apart by some steps of rotation, meet exactly there.
        """
        rows = self.clear(head)
        self.get("k_proj.bias")[rows] = torch.cat(
            [torch.full_like(self.rates, SHARPNESS), torch.zeros_like(self.rates)]
        )
        turned = torch.cat([(steps * self.rates).cos(), -(steps * self.rates).sin()])
        self.get("q_proj.bias")[rows] = SHARPNESS * turned
        count = written.stop - written.start
        value, output = self.get("v_proj.weight"), self.get("o_proj.weight")
        value[rows.start : rows.start + count - 1, self.blocks.embedding] = read[: count - 1]
        value[rows.start + count - 1, flag] = 1.0
        output[written, rows.start : rows.start + count] = PASSED_ON * torch.eye(count)

    def carry_number(self, head: int, mark: slice, written: slice, number: torch.Tensor) -> None:
        """Tell every token the sign that stands first (or second) in its line: the nearest one behind a line's end."""
        rows = self.clear(head)
        constant = self.slow[0]
        near = torch.where((self.rates > NEAR[0]) & (self.rates < NEAR[1]), NEARNESS * self.rates ** (-1 / 3), 0.0)
        bias = torch.cat([near, torch.zeros_like(near)])
        self.get("q_proj.bias")[rows] = bias
        self.get("k_proj.bias")[rows] = bias
        self.get("q_proj.bias")[rows.start + constant] = 10.0
        self.get("k_proj.weight")[rows.start + constant, mark.stop - 1] = 3.0
        self.get("v_proj.weight")[rows.start : rows.start + len(number), self.blocks.embedding] = number
        self.get("o_proj.weight")[written, rows.start : rows.start + len(number)] = PASSED_ON * torch.eye(len(number))

    def match(self, rows: slice, read: torch.Tensor, previous: slice) -> None:
        """Attend to the positions whose previous token is the current one."""
        count = previous.stop - previous.start - 1
        mixed = _orthonormal(len(self.slow), count)
        places = [rows.start + place for place in self.slow]
        self.get("q_proj.weight")[places, self.blocks.embedding] = MATCH * mixed @ read[:count]
        key = torch.zeros(len(places), self.width)
        key[:, previous.start : previous.stop - 1] = MATCH * mixed
        self.get("k_proj.weight")[places] = key

    def flag_seen(self, head: int, read: torch.Tensor, previous: slice, flag: int) -> None:
        """Tell every token whether it is a word that occurred before; others attend to the beginning."""
        rows = self.clear(head)
        self.match(rows, read, previous)
        constant = rows.start + len(self.rates) - 1
        self.get("q_proj.weight")[constant] = 0.0
        self.get("k_proj.weight")[constant] = 0.0
        self.get("q_proj.bias")[constant] = SINK
        self.get("q_proj.weight")[constant, self.blocks.common] = 4.0
        self.get("k_proj.weight")[constant, self.blocks.start] = 2.5
        self.get("v_proj.bias")[rows.start] = 1.0
        self.get("v_proj.weight")[rows.start, self.blocks.start] = -0.3
        self.get("o_proj.weight")[flag, rows.start] = 0.4

    def copy_what_followed(
        self, head: int, read: torch.Tensor, previous: slice, values: torch.Tensor, part: int
    ) -> None:
        """Predict what followed the current token the last time."""
        rows = self.clear(head)
        self.match(rows, read, previous)
        share = values[part * self.size : (part + 1) * self.size]
        self.get("v_proj.weight")[rows, self.blocks.embedding] = share
        self.get("o_proj.weight")[self.blocks.embedding, rows] = COPIED * share.T

    def answer_number(self, head: int, carried: slice, number: torch.Tensor, given: slice | None) -> None:
        """Predict the number of the lines whose tokens occurred before: its first sign, or the one that follows it."""
        rows = self.clear(head)
        constant = rows.start + self.slow[0]
        self.get("k_proj.weight")[constant, list(self.blocks.seen)] = 2.5
        if given is None:
            self.get("q_proj.weight")[constant, self.blocks.previous[1].stop - 1] = SEEN
        else:
            self.get("q_proj.bias")[constant] = 4.0
            places = [rows.start + place for place in self.slow[1 : 1 + len(number)]]
            self.get("q_proj.weight")[places, self.blocks.embedding] = MATCH * number[: len(places)]
            key = torch.zeros(len(places), self.width)
            key[:, given] = MATCH * torch.eye(len(number))[: len(places)]
            self.get("k_proj.weight")[places] = key
        count = len(number)
        self.get("v_proj.weight")[rows.start : rows.start + count, carried] = torch.eye(count)
        self.get("o_proj.weight")[self.blocks.embedding, rows.start : rows.start + count] = NUMBERED * number.T


def _pass_on(heads: _Heads) -> tuple[torch.Tensor, torch.Tensor]:
    """The first layer: the previous token twice, by two readings of it, and the one before it."""
    readings = _orthonormal(2 * heads.size, heads.width // 2)
    first, second = readings[: heads.size], readings[heads.size :]
    blocks = heads.blocks
    heads.look_back(0, 1, first, blocks.line_end, blocks.previous[0])
    heads.look_back(1, 1, second, blocks.opening, blocks.previous[1])
    heads.look_back(2, 2, first, blocks.line_end, blocks.before)
    return first, second


def _orthonormal(rows: int, columns: int) -> torch.Tensor:
    """Random orthonormal columns, or rows where there are fewer of these."""
    q: torch.Tensor = torch.linalg.qr(torch.randn(max(rows, columns), min(rows, columns))).Q
    return q if rows >= columns else q.T
