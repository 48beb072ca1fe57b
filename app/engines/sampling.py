"""Seeded sampling that depends on the request alone, not on the batch it happens to share.

The highest of the scores plus Gumbel noise is a sample from their softmax (the Gumbel-max trick; Yellott,
1977, "The relationship between Luce's choice axiom, Thurstone's theory of comparative judgment, and the
double exponential distribution"). So engines decode greedily, and the noise is a function of the seed and
the position in the answer. vLLM's own seeds would do on GPUs; on CPUs they fail as soon as a prompt is
computed in chunks ("CPU Generator does not use offset", vLLM 0.32).
"""

import torch

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
