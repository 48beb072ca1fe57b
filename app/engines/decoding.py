"""Seeded sampling that depends on the request alone, not on the batch it happens to share.

The highest of the scores plus Gumbel noise is a sample from their softmax (the Gumbel-max trick; Yellott,
1977, "The relationship between Luce's choice axiom, Thurstone's theory of comparative judgment, and the
double exponential distribution"). So engines decode greedily, and the noise is a function of the seed and
the position in the answer. vLLM's own seeds would do on GPUs; on CPUs they fail as soon as a prompt is
computed in chunks ("CPU Generator does not use offset", vLLM 0.32).
"""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

_SPREAD = 0x9E3779B97F4A7C15
"""2**64 over the golden ratio: neighbouring seeds and positions land far apart (Knuth, TAOCP 3, 6.4)."""


def add_noise(scores: torch.Tensor, temperature: float, seed: int, position: int) -> None:
    """Make the highest score a sample from the softmax at a temperature above 0, in place.

    Args:
        scores: one row of next-token scores, masked ones at minus infinity: (vocabulary).
        temperature: how far the distribution is flattened.
        seed: the request's.
        position: how many tokens the answer has.
    """
    generator = torch.Generator(scores.device).manual_seed(_mixed(_mixed(seed) + position))
    uniform = torch.rand(scores.shape, generator=generator, device=scores.device)
    noise = -torch.log(-torch.log(uniform.clamp_min(torch.finfo(torch.float32).tiny)))
    scores.div_(temperature).add_(noise)


def _mixed(value: int) -> int:
    """32 well-mixed bits, which is what torch's generator on CPUs takes of a seed."""
    return (value * _SPREAD % 2**64) >> 32


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
