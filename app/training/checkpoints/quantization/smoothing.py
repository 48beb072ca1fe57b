"""SmoothQuant: outlying activations are moved into the weights before both are rounded to 8 bits.

Xiao et al., 2023, "SmoothQuant: Accurate and efficient post-training quantization for large language models",
equation 4: channel j of a layer's input is divided by `s_j = max|X_j|^a / max|W_j|^(1-a)` and the weights' column j
multiplied by it. The division is folded into the normalisation that the input comes from.
"""

import re
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import nn

from app.training.checkpoints.tensors import CheckpointTensors

SMOOTHED_FAMILIES = ("llama", "mistral", "qwen2", "qwen3")
"""Architectures whose normalisation is `x / rms(x) * weight` and feeds only the projections below."""
FED_BY: Mapping[str, tuple[str, ...]] = {
    "input_layernorm": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "post_attention_layernorm": ("mlp.gate_proj", "mlp.up_proj"),
}
LEAST = 1e-5
"""Of a maximum: a channel that was never used is left alone rather than divided by 0."""
_NORM = re.compile(r"(?P<layer>.*\.layers\.\d+)\.(?P<norm>input_layernorm|post_attention_layernorm)$")

Maxima = dict[str, torch.Tensor]
"""Largest absolute value of each channel, (channels), by module."""


@torch.inference_mode()
def activation_maxima(
    network: nn.Module, prompts: Sequence[Sequence[int]], advance: Callable[[int], None] = lambda _: None
) -> Maxima:
    """What the normalisations give out on the prompts, at most, by channel."""
    maxima: dict[str, torch.Tensor] = {}

    def watch(name: str) -> Callable[[nn.Module, object, torch.Tensor], None]:
        def hook(_: nn.Module, __: object, output: torch.Tensor) -> None:
            largest = output.detach().abs().flatten(0, -2).amax(0).float().cpu()
            maxima[name] = torch.maximum(maxima[name], largest) if name in maxima else largest

        return hook

    handles = [
        module.register_forward_hook(watch(name)) for name, module in network.named_modules() if _NORM.search(name)
    ]
    device = next(network.parameters()).device
    for ids in prompts:
        network(torch.tensor([list(ids)], device=device))
        advance(1)
    for handle in handles:
        handle.remove()
    return maxima


def smoothing_factors(tensors: CheckpointTensors, maxima: Maxima, strength: float) -> dict[str, torch.Tensor]:
    """The factor of each channel, by the name of every tensor that it changes.

    Weights of projections are multiplied by it (columns), weights of normalisations divided.

    Args:
        tensors: the checkpoint.
        maxima: what `activation_maxima` found in it.
        strength: the exponent `a`, 0 to 1: how much of the difficulty moves into the weights.
    """
    factors: dict[str, torch.Tensor] = {}
    for norm, largest in maxima.items():
        found = _NORM.search(norm)
        if found is None:
            continue
        projections = [f"{found['layer']}.{name}.weight" for name in FED_BY[found["norm"]]]
        columns = torch.stack([tensors.read(name).float().abs().amax(0) for name in projections]).amax(0)
        factor = largest.clamp_min(LEAST) ** strength / columns.clamp_min(LEAST) ** (1 - strength)
        factors |= dict.fromkeys([f"{norm}.weight", *projections], factor.clamp_min(LEAST))
    return factors
