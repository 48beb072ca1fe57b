"""Several rows in one sequence, and the proof that none of them sees another."""

import random

import torch
from datasets import Dataset
from torch import nn
from trl.data_utils import pack_dataset

from app.errors import SetupError
from app.training.finetune.collation import AnswerCollator

PROBE_LENGTH = 24
TOLERANCES = {torch.float32: 1e-3, torch.bfloat16: 0.15, torch.float16: 0.05}
"""Largest difference of a token's log-probability (nats) between packed and alone, by number format."""


def pack(data: Dataset, max_length: int, seed: int) -> Dataset:
    """Best fit, longest first, after a shuffle: rows of about `max_length` tokens with their parts' `seq_lengths`.

    No row is cut: none is longer than `max_length`.
    """
    return pack_dataset(data.shuffle(seed=seed), max_length, "bfd", {"keep_in_memory": True})


@torch.no_grad()
def refuse_leaks(network: nn.Module, vocabulary: int, attention: str) -> None:
    """Compute a row alone and behind two different rows: its probabilities must be the same.

    `network` must have TRL's fused output layer.

    Raises:
        SetupError: the attention implementation lets packed rows see each other.
    """
    rng = random.Random(0)
    rows = [[rng.randrange(vocabulary) for _ in range(PROBE_LENGTH)] for _ in range(3)]
    training = network.training
    network.eval()
    alone = _log_probabilities(network, [rows[0]])
    behind = [_log_probabilities(network, [other, rows[0]]) for other in rows[1:]]
    network.train(training)
    tolerance = TOLERANCES.get(next(network.parameters()).dtype, TOLERANCES[torch.bfloat16])
    worst = max(float((found - alone).abs().max()) for found in behind)
    if not worst <= tolerance:
        raise SetupError(
            f"packing: with attention {attention!r}, packed rows see each other (by {worst:.3f} nats a token); "
            "set packing: false, or attention: sdpa, eager or flash_attention_2"
        )


def _log_probabilities(network: nn.Module, rows: list[list[int]]) -> torch.Tensor:
    """Of the last row's tokens but the first."""
    ids = [index for row in rows for index in row]
    example = {"input_ids": ids, "labels": ids, "weights": [1.0] * len(ids), "capability": [0] * len(ids)}
    batch = AnswerCollator(0)([example | {"seq_lengths": [len(row) for row in rows]}])
    device = next(network.parameters()).device
    inputs = {
        name: value.to(device) if isinstance(value, torch.Tensor) else value
        for name, value in batch.items()
        if name not in ("weights", "capability")
    }
    found: torch.Tensor = network(**inputs, use_cache=False, fused_lm_head=True).log_probs[0]
    return found[-(len(rows[-1]) - 1) :].float()
