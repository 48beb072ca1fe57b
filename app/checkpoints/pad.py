"""Wider MLPs that compute the same: zero rows and columns, so that shards and quantization groups come out even.

A padded unit has weights of zero on both sides: its gate and its up projection give 0, their product is 0, and the
down projection multiplies it by 0. Qwen2-72B needs this for four GPUs and groups of 128: its 29,568 units become
29,696.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from pydantic import JsonValue

from app.checkpoints.folder import Output, new_checkpoint, read_config, refuse_quantized
from app.checkpoints.tensors import CheckpointTensors, TensorPlan
from app.errors import InputError

_MLP = re.compile(r"\.mlp\.(gate|up|down)_proj\.(weight|bias)$")
ACTIVATIONS = ("silu", "gelu", "gelu_pytorch_tanh", "gelu_new", "relu")


def padded_size(size: int, tensor_parallel: int, group: int) -> int:
    """The smallest width from `size` on that splits into `tensor_parallel` parts of whole groups.

    Raises:
        InputError: a number below 1.
    """
    if min(size, tensor_parallel, group) < 1:
        raise InputError(f"sizes must be at least 1 (given: {size}, {tensor_parallel} and {group})")
    step = tensor_parallel * group
    return math.ceil(size / step) * step


def check_even(config: Mapping[str, Any], tensor_parallel: int, group: int) -> None:
    """Refuse heads and a residual stream that do not divide, with an `InputError`: padding the MLP cannot mend them."""
    heads, hidden = int(config["num_attention_heads"]), int(config["hidden_size"])
    kv_heads = int(config.get("num_key_value_heads") or heads)
    head_size = int(config.get("head_dim") or hidden // heads)
    if heads % tensor_parallel:
        raise InputError(f"{heads} attention heads do not split over {tensor_parallel} GPUs: padding cannot mend heads")
    if kv_heads % tensor_parallel and tensor_parallel % kv_heads:
        raise InputError(
            f"{kv_heads} key-value heads neither split over nor repeat on {tensor_parallel} GPUs: "
            "padding cannot mend heads"
        )
    if hidden % group:
        raise InputError(
            f"hidden_size {hidden} is no multiple of the group size {group}: the residual stream passes through "
            f"normalisation, so it cannot be padded; use a group size that divides {hidden}"
        )
    if (heads * head_size // tensor_parallel) % group:
        raise InputError(
            f"each GPU gets {heads * head_size // tensor_parallel} attention outputs, no multiple of the group size "
            f"{group}: padding cannot mend heads; use a smaller group"
        )


def pad_checkpoint(source: Path, output: Output, *, tensor_parallel: int, group: int) -> int:
    """Write the checkpoint with a wider MLP, one tensor in memory at a time; return its width.

    Raises:
        InputError: it cannot be padded, or need not be.
        SetupError: the folder cannot be written.
    """
    config = read_config(source)
    refuse_quantized(source)
    tensors = CheckpointTensors(source)
    size = _width(config, tensors)
    check_even(config, tensor_parallel, group)
    width = padded_size(size, tensor_parallel, group)
    if width == size:
        raise InputError(f"{source} needs no padding: its MLP of {size} divides by {tensor_parallel} x {group}")
    settings: dict[str, JsonValue] = {"tensor_parallel": tensor_parallel, "group": group, "from": size, "to": width}
    with new_checkpoint(output, "pad", {"source": source}, source, settings) as made:
        made.write(
            [_planned(plan, width) for plan in tensors.plans.values()],
            lambda name: _padded(name, tensors.read(name), width),
        )
        made.carry_over({"intermediate_size": width})
    return width


def _width(config: Mapping[str, Any], tensors: CheckpointTensors) -> int:
    """The MLP's units, where the model has the MLP that is known here."""
    size = config.get("intermediate_size")
    layers = config.get("num_hidden_layers")
    found = [name for name in tensors.plans if _MLP.search(name) and name.endswith(".weight")]
    if not isinstance(size, int) or not isinstance(layers, int) or len(found) != 3 * layers:
        raise InputError(
            f"{tensors.folder} has no gate, up and down projection in each layer: only such MLPs can be padded "
            "(mixtures of experts and fused projections cannot)"
        )
    if config.get("hidden_act") not in ACTIVATIONS:
        raise InputError(f"activation {config.get('hidden_act')!r} is not known to keep zeros: it cannot be padded")
    for name in found:
        if size not in tensors.plans[name].shape:
            raise InputError(f"{name} is {tensors.plans[name].shape}, without the {size} units that config.json names")
    return size


def _planned(plan: TensorPlan, width: int) -> TensorPlan:
    axis = _axis(plan.name)
    return plan if axis is None else replace(plan, shape=(*plan.shape[:axis], width, *plan.shape[axis + 1 :]))


def _padded(name: str, tensor: torch.Tensor, width: int) -> torch.Tensor:
    axis = _axis(name)
    if axis is None:
        return tensor
    zeros = [*tensor.shape[:axis], width - tensor.shape[axis], *tensor.shape[axis + 1 :]]
    return torch.cat([tensor, tensor.new_zeros(zeros)], dim=axis)


def _axis(name: str) -> int | None:
    """The axis of a tensor that runs over the MLP's units."""
    found = _MLP.search(name)
    if found is None or found.groups() == ("down", "bias"):
        return None
    return 1 if found.group(1) == "down" else 0
