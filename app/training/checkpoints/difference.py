"""How far two models' logits are apart on the same prompts."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import torch
from pydantic import JsonValue
from torch import nn

POSITIONS = 8
"""The last positions of a prompt that are compared: the model's first answer tokens hang on them."""
TOLERANCE = {"float32": 1e-4, "float16": 1e-2, "bfloat16": 6e-2}
"""Largest difference of a logit as a share of the largest logit, by the number format that rounds the weights.

Formats keep 24, 11 and 8 bits of a number; rounding errors of the layers add up to some tens of the last bit.
"""

Logits = list[torch.Tensor]
"""For each prompt, (positions, vocabulary) in float32 on the CPU."""


@dataclass(frozen=True, slots=True)
class LogitDifference:
    """Two models on the same prompts."""

    prompts: int
    positions: int
    largest: float
    """Of the absolute differences of a logit."""
    relative: float
    """The same as a share of the largest absolute logit of the first model."""
    mean_kl: float
    """Kullback-Leibler divergence of the second from the first, nats, mean over positions."""
    same_top: float
    """Share of positions whose most probable token is the same."""

    def to_json(self) -> dict[str, JsonValue]:
        """The figures by name."""
        return asdict(self)


@torch.inference_mode()
def last_logits(
    model: nn.Module, prompts: Sequence[Sequence[int]], advance: Callable[[int], None] = lambda _: None
) -> Logits:
    """The logits of each prompt's last `POSITIONS` positions."""
    device = next(model.parameters()).device
    found = []
    for ids in prompts:
        logits = model(torch.tensor([list(ids)], device=device)).logits[0, -POSITIONS:]
        found.append(logits.float().cpu())
        advance(1)
    return found


def compare_logits(first: Logits, second: Logits) -> LogitDifference:
    """The differences of the second model from the first, which must have seen the same prompts."""
    one, two = torch.cat(first), torch.cat(second)
    largest = float((one - two).abs().max())
    log_one, log_two = one.log_softmax(-1), two.log_softmax(-1)
    divergence = (log_one.exp() * (log_one - log_two)).sum(-1).clamp_min(0)
    return LogitDifference(
        prompts=len(first),
        positions=len(one),
        largest=largest,
        relative=largest / max(float(one.abs().max()), 1e-12),
        mean_kl=float(divergence.mean()),
        same_top=float((one.argmax(-1) == two.argmax(-1)).float().mean()),
    )
