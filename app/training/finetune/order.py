"""In which order rows are seen: by the seed and the epoch alone, so that a resumed run sees the same."""

from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import Sampler
from transformers.trainer_pt_utils import get_length_grouped_indices


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
