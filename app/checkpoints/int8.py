"""W8A8: weights and activations in 8-bit whole numbers, in the compressed-tensors format that vLLM reads.

Weights get one scale an output channel, rounded to nearest; activations get one scale a token while the model runs.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import JsonValue
from torch import nn

from app.checkpoints.folder import NewCheckpoint, read_config
from app.checkpoints.network import load_network
from app.checkpoints.tensors import CheckpointTensors, TensorPlan
from app.errors import InputError

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
def activation_maxima(network: nn.Module, prompts: Sequence[Sequence[int]]) -> Maxima:
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


LARGEST = 127
"""Of the whole numbers: -128 is left out, so that the range is symmetric."""
SCALE = "_scale"
_PROJECTION = re.compile(r"\.layers\.\d+\.(self_attn|mlp)\.\w+_proj\.weight$")


@dataclass(frozen=True, slots=True)
class Int8:
    """Weights and activations in 8 bits.

    With smoothing the model is loaded once to see its activations; the weights themselves pass through memory one at
    a time.
    """

    smoothing: float = 0.5
    """SmoothQuant's exponent, 0 to 1; 0 leaves it out."""

    @property
    def settings(self) -> dict[str, JsonValue]:
        """What the result depends on, the scheme's name among it."""
        return {"scheme": "w8a8", "smoothing": self.smoothing}

    def check(self, source: Path) -> None:
        """Refuse an architecture that cannot be smoothed.

        Raises:
            InputError: smoothing out of range, or not known for this architecture.
        """
        if not 0 <= self.smoothing <= 1:
            raise InputError(f"smoothing must be between 0 and 1 (given: {self.smoothing:g})")
        family = read_config(source).get("model_type")
        if self.smoothing > 0 and family not in SMOOTHED_FAMILIES:
            raise InputError(
                f"smoothing is known for {', '.join(SMOOTHED_FAMILIES)}, not for {family!r}: give --smoothing 0"
            )

    def write(self, made: NewCheckpoint, prompts: Sequence[Sequence[int]]) -> dict[str, Any]:
        """As of `Gptq`; a SetupError says that the checkpoint cannot be loaded."""
        tensors = CheckpointTensors(made.origin)
        factors: dict[str, torch.Tensor] = {}
        if self.smoothing > 0:
            maxima = activation_maxima(load_network(made.origin, on_gpus=True), prompts)
            factors = smoothing_factors(tensors, maxima, self.smoothing)
        made.write(
            [plan for one in tensors.plans.values() for plan in _planned(one)],
            lambda name: _quantized(name, tensors, factors),
        )
        return quantization_config()


def quantization_config() -> dict[str, Any]:
    """What tells vLLM how the weights are stored: the library's own scheme of this name."""
    from compressed_tensors.quantization import QuantizationConfig, QuantizationStatus, preset_name_to_scheme

    config = QuantizationConfig(
        config_groups={"group_0": preset_name_to_scheme("W8A8", ["Linear"])},
        format="int-quantized",
        quantization_status=QuantizationStatus.COMPRESSED,
        ignore=["lm_head"],
    )
    values: dict[str, Any] = config.model_dump(mode="json", exclude_none=True)
    return values


def row_scales(weight: torch.Tensor) -> torch.Tensor:
    """The scale of each output channel, float32: (outputs, 1)."""
    return weight.float().abs().amax(1, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny) / LARGEST


def rounded(weight: torch.Tensor) -> torch.Tensor:
    """The weights as whole numbers of their channel's scale."""
    return (weight.float() / row_scales(weight)).round().clamp(-LARGEST, LARGEST).to(torch.int8)


def _planned(plan: TensorPlan) -> list[TensorPlan]:
    if not _PROJECTION.search(plan.name):
        return [plan]
    scale = TensorPlan(plan.name + SCALE, torch.float32, (plan.shape[0], 1))
    return [TensorPlan(plan.name, torch.int8, plan.shape), scale]


def _quantized(name: str, tensors: CheckpointTensors, factors: Mapping[str, torch.Tensor]) -> torch.Tensor:
    weight_name = name.removesuffix(SCALE)
    tensor = tensors.read(weight_name)
    factor = factors.get(weight_name)
    if not _PROJECTION.search(weight_name):
        return tensor if factor is None else tensor.float() / factor
    weight = tensor.float() if factor is None else tensor.float() * factor
    return rounded(weight) if name == weight_name else row_scales(weight)
