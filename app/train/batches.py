"""Several rows in one sequence, and the proof that none of them sees another."""

import random
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from datasets import Dataset
from torch import nn
from torch.utils.data import Sampler
from transformers.trainer_pt_utils import get_length_grouped_indices
from trl.data_utils import pack_dataset
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from app.errors import SetupError


class AnswerCollator:
    """TRL's collator, with two more columns: what each token weighs, and the capability that it belongs to.

    Rows with `seq_lengths` are packs. They become one sequence without an attention mask: positions begin again at
    each row, and the attention keeps rows apart by them (checked by `app.train.batches`).
    """

    def __init__(self, pad_id: int) -> None:
        """`pad_id` fills up shorter rows; it is never learnt and never attended to."""
        self._padded = DataCollatorForLanguageModeling(pad_token_id=pad_id)
        self._packed = DataCollatorForLanguageModeling(pad_token_id=pad_id, padding_free=True)

    def __call__(self, examples: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Tensors of shape (rows, tokens); packs are one row."""
        packed = "seq_lengths" in examples[0]
        batch: dict[str, Any] = (self._packed if packed else self._padded).torch_call(list(examples))
        for name, dtype in (("weights", torch.float32), ("capability", torch.long)):
            columns = [torch.tensor(example[name], dtype=dtype) for example in examples]
            batch[name] = (
                torch.cat(columns)[None] if packed else torch.nn.utils.rnn.pad_sequence(columns, batch_first=True)
            )
        return batch


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


class EpochOrder(Sampler[int]):
    """A new order for every epoch, the same whenever it is asked for."""

    def __init__(self, rows: int, seed: int, lengths: Sequence[int] | None = None, batch: int = 1) -> None:
        """With `lengths` (tokens), rows of like length stand together in stretches of `batch` rows."""
        self._rows = rows
        self._seed = seed
        self._lengths = lengths
        self._batch = batch
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer at the beginning of each epoch, counted from 0."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._rows

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + self._epoch)
        if self._lengths is None:
            return iter(torch.randperm(self._rows, generator=generator).tolist())
        return iter(get_length_grouped_indices(list(self._lengths), self._batch, generator=generator))
