"""Seeded sampling that depends on the request alone, not on the batch it happens to share.

The highest of the scores plus Gumbel noise is a sample from their softmax (the Gumbel-max trick; Yellott,
1977, "The relationship between Luce's choice axiom, Thurstone's theory of comparative judgment, and the
double exponential distribution"). So engines decode greedily, and the noise is a function of the seed and
the position in the answer. vLLM's own seeds would do on GPUs; on CPUs they fail as soon as a prompt is
computed in chunks ("CPU Generator does not use offset", vLLM 0.32).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

_SPREAD = 0x9E3779B97F4A7C15
"""2**64 over the golden ratio: neighbouring seeds and positions land far apart (Knuth, TAOCP 3, 6.4)."""


class Decoding(NamedTuple):
    """How one answer goes on: the tokens that may follow its beginning (None: any), and `SamplingParams.choosing`."""

    prompt_ids: Sequence[int]
    output_ids: Sequence[int]
    allowed: Callable[[Sequence[int]], NDArray[np.int64]] | None
    choosing: Mapping[str, Any]


def decide(scores: torch.Tensor, rows: Mapping[int, Decoding]) -> torch.Tensor:
    """Make the next token's score the highest in some rows of (rows, vocabulary), in place; the others stay."""
    _keep_only(scores, {place: row.allowed(row.output_ids) for place, row in rows.items() if row.allowed})
    for place, row in rows.items():
        if row.choosing:
            _choose(scores[place], row.prompt_ids, row.output_ids, **row.choosing)
    return scores


def _choose(
    scores: torch.Tensor,
    prompt_ids: Sequence[int],
    output_ids: Sequence[int],
    *,
    temperature: float = 0.0,
    seed: int = 0,
    top_p: float = 1.0,
    top_k: int = 0,
    min_p: float = 0.0,
    frequency_penalty: float = 0.0,
    presence_penalty: float = 0.0,
    repetition_penalty: float = 1.0,
    logit_bias: Sequence[tuple[int, float]] = (),
) -> None:
    """One row (vocabulary), masked scores at minus infinity: penalties first, then temperature, cuts and chance.

    The order is vLLM's: bias, penalties (repetition before the others), temperature, `min_p`, `top_k`, `top_p`.
    """
    for index, bias in logit_bias:
        scores[index] += bias
    if repetition_penalty != 1:
        ids = torch.tensor(sorted({*prompt_ids, *output_ids}), device=scores.device)
        found = scores[ids]
        scores[ids] = torch.where(found > 0, found / repetition_penalty, found * repetition_penalty)
    if output_ids and (frequency_penalty or presence_penalty):
        ids, counts = torch.unique(torch.tensor(output_ids, device=scores.device), return_counts=True)
        scores[ids] -= frequency_penalty * counts + presence_penalty
    if temperature == 0:
        return
    scores.div_(temperature)
    if min_p > 0:
        scores[scores < scores.max() + math.log(min_p)] = float("-inf")
    if 0 < top_k < len(scores):
        # Of equals at the border all stay, as in vLLM.
        scores[scores < scores.topk(top_k).values[-1]] = float("-inf")
    if top_p < 1:
        ordered, places = scores.softmax(-1).sort(descending=True)
        # What comes before a token is not enough: it belongs to the fewest that are.
        scores[places[ordered.cumsum(-1) - ordered >= top_p]] = float("-inf")
    generator = torch.Generator(scores.device).manual_seed(_mixed(_mixed(seed) + len(output_ids)))
    uniform = torch.rand(scores.shape, generator=generator, device=scores.device)
    scores.add_(-torch.log(-torch.log(uniform.clamp_min(torch.finfo(torch.float32).tiny))))


def _mixed(value: int) -> int:
    """32 well-mixed bits, which is what torch's generator on CPUs takes of a seed."""
    return (value * _SPREAD % 2**64) >> 32


def _keep_only(logits: torch.Tensor, allowed: Mapping[int, NDArray[np.int64]]) -> None:
    """Set all but the allowed tokens of the named rows to minus infinity."""
    if not allowed:
        return
    counts = [len(ids) for ids in allowed.values()]
    numbers = np.fromiter(allowed, dtype=np.int64, count=len(allowed))
    rows = _to(np.repeat(numbers, counts), logits.device)
    columns = _to(np.concatenate(list(allowed.values())), logits.device)
    kept = logits[rows, columns]
    logits.index_fill_(0, _to(numbers, logits.device), float("-inf"))
    logits[rows, columns] = kept


def _to(array: NDArray[np.int64], device: torch.device) -> torch.Tensor:
    return torch.from_numpy(array).to(device, non_blocking=True)
