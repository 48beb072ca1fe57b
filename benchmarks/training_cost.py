"""What a fine-tuning run needs: memory of a GPU term by term, and hours from tokens. Computed; nothing is measured.

    python benchmarks/training_cost.py --model qwen2.5-7b --rank 32 --sequences 4
    python benchmarks/training_cost.py --model qwen2.5-72b --method qlora --rank 64 --devices 8 --mfu 0.25 --price 2.5

Each GPU holds the whole model (data parallel) and computes in bfloat16. Of one GPU:

    frozen       LoRA: 2 bytes a parameter. QLoRA: linear layers at 4.127 bits (4 bits, an 8-bit scale for 64
                 weights, a 32-bit one for 256 of those: Dettmers et al. 2023, arXiv 2305.14314, section 3) and, since
                 PEFT turns all else into float32, 4 bytes for embeddings, head and norms
    trained      4 bytes a parameter, its gradient 4 (8 where GPUs share gradients), AdamW's moments 8 (8-bit: 2)
    activations  what the layers keep for the backward pass (`kept_by_a_layer`); with checkpointing the residual
                 stream at each layer's beginning, and one layer in full
    logits       whole: tokens x vocabulary x 4 bytes, twice (scores and their gradient). The trainer's fused head
                 (TRL 1) holds a tile of 4,096 tokens x 32,768 entries in 2 bytes, and the gradient of its input
    buffers      QLoRA: the largest matrix, unpacked to 2 bytes
    keys, values none: training keeps no cache

Time: a forward pass is 2N operations a token, the gradient of the activations 2N, that of the weights 2N (Kaplan et al.
2020, arXiv 2001.08361, section 2.1): 6N for a full run, 4N where the weights are frozen, 2N more where checkpointing
repeats the forward pass. Attention adds 2 x layers x length x width to each 2N.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

GB = 10**9
NF4_BITS = 4 + 8 / 64 + 32 / (64 * 256)
TILE = (4_096, 32_768)
"""Tokens and vocabulary entries whose scores are in memory at a time, in TRL's fused head."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A decoder with grouped-query attention and a gated MLP, biases on queries, keys and values; as `config.json`."""

    hidden: int
    layers: int
    vocabulary: int
    mlp: int
    queries: int
    """Heads times their width."""
    keys: int
    """Key heads times their width."""
    tied: bool = False

    @property
    def matrices(self) -> list[tuple[int, int]]:
        """Inputs and outputs of a layer's linear maps: q, k, v, o, gate, up, down."""
        h, q, k, m = self.hidden, self.queries, self.keys, self.mlp
        return [(h, q), (h, k), (h, k), (q, h), (h, m), (h, m), (m, h)]

    @property
    def linear(self) -> int:
        """Parameters in linear maps: what QLoRA packs."""
        return self.layers * sum(rows * columns for rows, columns in self.matrices)

    @property
    def rest(self) -> int:
        """All other parameters."""
        embeddings = self.vocabulary * self.hidden * (1 if self.tied else 2)
        return embeddings + self.layers * (self.queries + 2 * self.keys + 2 * self.hidden) + self.hidden

    @property
    def parameters(self) -> int:
        """All of them."""
        return self.linear + self.rest

    def adapter(self, rank: int) -> int:
        """Parameters of a LoRA adapter on all linear maps."""
        return self.layers * rank * sum(rows + columns for rows, columns in self.matrices)


MODELS = {
    "qwen2.5-0.5b": Shape(896, 24, 151_936, 4_864, 896, 128, tied=True),
    "qwen2.5-7b": Shape(3_584, 28, 152_064, 18_944, 3_584, 512),
    "qwen2.5-72b": Shape(8_192, 80, 152_064, 29_568, 8_192, 1_024),
}
PEAK = {"a100": 312e12, "h100": 989e12}
"""Operations a second in bfloat16 without sparsity (data sheets of the SXM modules)."""


@dataclass(frozen=True, slots=True)
class Run:
    """What memory and time depend on, besides the model."""

    method: Literal["lora", "qlora", "full"] = "lora"
    rank: int = 32
    sequences: int = 1
    """On a GPU at a time."""
    length: int = 2048
    """Tokens of one."""
    checkpointing: bool = True
    eight_bit: bool = False
    """Moments of the optimizer."""
    devices: int = 1
    chunked: bool = True
    """Logits by the fused head, never all at once."""

    @property
    def tokens(self) -> int:
        """On a GPU at a time."""
        return self.sequences * self.length

    @property
    def residual_bytes(self) -> int:
        """Of a number in the residual stream: embeddings in float32 make it float32."""
        return 2 if self.method == "lora" else 4


def kept_by_a_layer(shape: Shape, run: Run) -> int:
    """Bytes a token that one layer keeps for its backward pass; attention keeps no matrix of scores.

    Norms keep their input in float32; attention its inputs and output, the MLP gate, gate after SiLU, and up. A linear
    map that learns keeps its input: each adapter in a copy of its own, and its inner numbers; in a full run the
    three that read one input share it, and norms keep their output too.
    """
    h, q, k, m = shape.hidden, shape.queries, shape.keys, shape.mlp
    norms, attention, gated = 2 * 4 * h, 2 * (2 * q + 2 * k), 3 * 2 * m
    if run.method == "full":
        return norms + 2 * 2 * h + attention + gated + 2 * (2 * h + m)
    inputs = sum(rows for rows, _ in shape.matrices)
    return norms + attention + gated + 2 * inputs + 2 * run.rank * len(shape.matrices)


def memory(shape: Shape, run: Run) -> dict[str, float]:
    """Bytes of one GPU, term by term."""
    trained = shape.parameters if run.method == "full" else shape.adapter(run.rank)
    frozen = {
        "lora": 2 * shape.parameters,
        "qlora": shape.linear * NF4_BITS / 8 + 4 * shape.rest,
        "full": 0,
    }[run.method]
    layer = run.tokens * kept_by_a_layer(shape, run)
    streams = run.tokens * run.residual_bytes * shape.hidden * shape.layers
    tile = 2 * min(run.tokens, TILE[0]) * min(shape.vocabulary, TILE[1]) + 4 * run.tokens * shape.hidden
    largest = max(rows * columns for rows, columns in shape.matrices)
    return {
        "frozen weights": frozen,
        "trained weights": 4 * trained,
        "gradients": 4 * trained * (2 if run.devices > 1 else 1),
        "optimizer": (2 if run.eight_bit else 8) * trained,
        "activations": streams + layer if run.checkpointing else layer * shape.layers,
        "logits": tile if run.chunked else 2 * 4 * run.tokens * shape.vocabulary,
        "buffers": 2 * largest if run.method == "qlora" else 0,
    }


def operations(shape: Shape, run: Run) -> float:
    """Floating point operations a token."""
    attention = 2 * shape.layers * run.length * shape.queries
    passes = (3 if run.method == "full" else 2) + run.checkpointing
    # Embeddings are looked up, not multiplied.
    return passes * (2 * (shape.parameters - (0 if shape.tied else shape.vocabulary * shape.hidden)) + attention)


def hours(shape: Shape, run: Run, tokens: float, peak: float, mfu: float) -> float:
    """Wall-clock hours of all devices together; `mfu` is the share of the peak that is reached."""
    return tokens * operations(shape, run) / (run.devices * peak * mfu) / 3600


def table(shape: Shape, run: Run) -> str:
    """Memory as a Markdown table, GB of 10^9 bytes."""
    terms = memory(shape, run)
    rows = [*terms.items(), ("sum", sum(terms.values()))]
    return "\n".join(["| term | GB |", "|---|---|", *(f"| {name} | {value / GB:.1f} |" for name, value in rows)])


def main(words: Sequence[str] | None = None) -> None:
    """Print memory and time of one run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=MODELS, required=True)
    parser.add_argument("--method", choices=("lora", "qlora", "full"), default="lora")
    parser.add_argument("--rank", type=int, default=32)
    parser.add_argument("--sequences", type=int, default=1, help="on a GPU at a time")
    parser.add_argument("--length", type=int, default=2048, help="tokens of one")
    parser.add_argument("--no-checkpointing", action="store_true")
    parser.add_argument("--eight-bit", action="store_true", help="8-bit moments of the optimizer")
    parser.add_argument("--devices", type=int, default=1)
    parser.add_argument("--whole-logits", action="store_true", help="as without the fused head")
    parser.add_argument("--tokens", type=float, default=20e6, help="all epochs together")
    parser.add_argument("--device", choices=PEAK, default="h100")
    parser.add_argument("--mfu", type=float, default=0.4, help="share of the peak; an assumption")
    parser.add_argument("--price", type=float, default=0.0, help="of a GPU for an hour")
    given = parser.parse_args(words)
    run = Run(
        given.method, given.rank, given.sequences, given.length, not given.no_checkpointing, given.eight_bit,
        given.devices, not given.whole_logits,
    )  # fmt: skip
    shape = MODELS[given.model]
    spent = hours(shape, run, given.tokens, PEAK[given.device], given.mfu)
    trained = shape.parameters if run.method == "full" else shape.adapter(run.rank)
    print(f"{given.model}: {shape.parameters:,} parameters, {trained:,} trained\n")
    print(table(shape, run))
    rate = given.tokens / spent / 3600
    print(f"\n{operations(shape, run):.3g} operations a token; {rate:,.0f} tokens/s; {spent:.2f} hours", end="")
    print(f"; {spent * run.devices * given.price:,.2f} money" if given.price else "")


if __name__ == "__main__":
    main()
