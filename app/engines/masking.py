"""Masking next-token scores for a whole batch."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray


def keep_only(logits: torch.Tensor, allowed: Mapping[int, NDArray[np.int64]]) -> torch.Tensor:
    """Set all but the allowed tokens of some rows to minus infinity, in place.

    Args:
        logits: scores, one row a sequence: (rows, vocabulary).
        allowed: the allowed token ids by row; rows that are not named stay as they are.
    """
    if not allowed:
        return logits
    counts = [len(ids) for ids in allowed.values()]
    numbers = np.fromiter(allowed, dtype=np.int64, count=len(allowed))
    rows = _to(np.repeat(numbers, counts), logits.device)
    columns = _to(np.concatenate(list(allowed.values())), logits.device)
    kept = logits[rows, columns]
    logits.index_fill_(0, _to(numbers, logits.device), float("-inf"))
    logits[rows, columns] = kept
    return logits


def _to(array: NDArray[np.int64], device: torch.device) -> torch.Tensor:
    return torch.from_numpy(array).to(device, non_blocking=True)
