"""A base and its adapter as one checkpoint, held against base + adapter on real prompts."""

import re
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import load_file

from app.checkpoints.answering import encoded_prompts
from app.checkpoints.folder import (
    TRAINING,
    NewCheckpoint,
    Output,
    dtype_fields,
    new_checkpoint,
    read_config,
    refuse_quantized,
)
from app.checkpoints.network import TOLERANCE, LogitDifference, compare_logits, last_logits, load_network, with_adapter
from app.checkpoints.tensors import CheckpointTensors
from app.engines.adapter_files import check_adapter
from app.engines.checkpoint_files import check_checkpoint, read_object
from app.errors import EngineError, InputError, SetupError
from app.jobs.identity import folder_revision
from app.types import Sample

WEIGHTS = "adapter_model.safetensors"
PREFIX = "base_model.model."


def check_trained_on(base: Path, adapter: Path) -> None:
    """Refuse another base than the one that the adapter's own record names, where it has one.

    Raises:
        InputError: the record names a base of other content.
    """
    path = adapter / TRAINING
    known = read_object(path).get("model_revision") if path.is_file() else None
    if known is not None and known != (found := folder_revision(base)):
        raise InputError(
            f"{adapter} was trained on a base of revision {known}, and {base} is {found}: name that base, "
            "or give --another-base if the two are meant to differ (another number format, say)"
        )


def read_adapter_config(base: Path, adapter: Path) -> dict[str, Any]:
    """The adapter's `adapter_config.json`.

    Raises:
        SetupError: the folder holds no LoRA adapter in safetensors, or one that was made for another base.
    """
    config = check_adapter(adapter.name, adapter, str(base))
    if not (adapter / WEIGHTS).is_file():
        raise SetupError(f"{adapter} has no {WEIGHTS}: save the adapter again with PEFT's safe serialization")
    return config


Dtype = Literal["float32", "bfloat16", "float16"]


def merge_adapter(
    base: Path,
    adapter: Path,
    output: Output,
    samples: Sequence[Sample],
    *,
    dtype: Dtype = "bfloat16",
    another_base: bool = False,
) -> LogitDifference:
    """Add the adapter's products to the base's matrices and save the sum as a checkpoint, as `write_sum` does.

    Returns what that changes against base + adapter in float32, as PEFT computes them: for the most part, rounding to
    the number format chosen. Memory: base and adapter in float32, 4 bytes a parameter; the saved one is read after.

    Args:
        base: folder of the checkpoint that the adapter was trained on.
        adapter: folder of a LoRA adapter in PEFT's layout.
        output: the new folder.
        samples: real questions; their prompts are what the models are compared on.
        dtype: number format of the saved weights.
        another_base: merge although the adapter's record names a base of other content.

    Raises:
        InputError: the adapter does not belong to the base, or holds more than LoRA's pairs of matrices.
        SetupError: something is missing, or the folder cannot be written.
        EngineError: the merged model differs from base + adapter by more than the tolerance.
    """
    output.refuse_to_replace()
    check_checkpoint(str(base))
    read_adapter_config(base, adapter)
    config = read_config(base)
    refuse_quantized(base)
    if not another_base:
        check_trained_on(base, adapter)
    prompts = encoded_prompts(samples, base, int(config["max_position_embeddings"]))
    with new_checkpoint(output, "merge", {"base": base, "adapter": adapter}, base, {"dtype": dtype}) as made:
        write_sum(made, adapter, dtype)
        wanted = last_logits(with_adapter(load_network(base), adapter), prompts)
        saved = compare_logits(wanted, last_logits(load_network(made.folder), prompts))
        # Written so that a difference that is no number is refused too.
        if not saved.relative <= TOLERANCE[dtype]:
            raise EngineError(
                f"merging changed a logit by {saved.relative:.2g} of the largest one, more than the "
                f"{TOLERANCE[dtype]:g} that {dtype} explains; nothing was written"
            )
        made.checks |= {"saved": asdict(saved)}
    return saved


def write_sum(made: NewCheckpoint, adapter: Path, dtype: Dtype) -> None:
    """Write the origin's tensors with the adapter's products added, one at a time, and what stands beside them.

    Sums are made in 64 bits: in 32, their last bits follow the order in which a processor adds, and rounding to the
    saved format shows them. So the same files make the same bytes everywhere, and a hash can stand for them.

    Raises:
        InputError: the adapter holds more than LoRA's pairs of matrices.
        OSError: the disk takes no more.
    """
    tensors, config = CheckpointTensors(made.origin), read_adapter_config(made.origin, adapter)
    pairs = {name.removeprefix(PREFIX): matrix for name, matrix in load_file(adapter / WEIGHTS).items()}
    if more := [name for name in pairs if not name.endswith((".lora_A.weight", ".lora_B.weight"))]:
        raise InputError(f"{adapter} holds {more[0]}: only pairs of matrices (lora_A, lora_B) can be merged")

    modules = {name.removesuffix(".weight").removesuffix(".base_layer") for name in tensors.plans}
    if lost := sorted({name.partition(".lora_")[0] for name in pairs} - modules):
        raise InputError(f"{adapter} adapts {lost[0]}, whose matrix {made.origin} does not hold under that name")

    def summed(name: str) -> torch.Tensor:
        module = name.removesuffix(".weight").removesuffix(".base_layer")
        first, second = pairs.get(f"{module}.lora_A.weight"), pairs.get(f"{module}.lora_B.weight")
        tensor = tensors.read(name)
        if first is None or second is None:
            return tensor
        product = second.double() @ first.double() * _scale(config, module, len(first))
        return tensor.double() + (product.T if config.get("fan_in_fan_out") else product)

    saved = getattr(torch, dtype)
    made.write(
        [replace(plan, dtype=saved) if plan.dtype.is_floating_point else plan for plan in tensors.plans.values()],
        summed,
    )
    made.carry_over(dtype_fields(read_config(made.origin), dtype), adapter)


def _scale(config: dict[str, Any], module: str, rank: int) -> float:
    """What PEFT multiplies a module's product with."""
    patterns = config.get("alpha_pattern") or {}
    alpha = next((given for key, given in patterns.items() if re.fullmatch(rf"(.*\.)?({key})", module)), None)
    return float(config["lora_alpha"] if alpha is None else alpha) / (rank**0.5 if config.get("use_rslora") else rank)
