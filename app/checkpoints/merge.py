"""A base and its adapter as one checkpoint, held against base + adapter on real prompts."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import torch

from app.checkpoints.answering import encoded_prompts
from app.checkpoints.folder import (
    TRAINING,
    Output,
    dtype_fields,
    new_checkpoint,
    read_config,
    read_object,
    refuse_quantized,
)
from app.checkpoints.network import TOLERANCE, LogitDifference, compare_logits, last_logits, load_network, with_adapter
from app.checkpoints.tensors import CheckpointTensors, read_plans
from app.engines.options import check_adapter, check_checkpoint
from app.errors import EngineError, InputError, SetupError
from app.jobs.identity import folder_revision
from app.types import Sample

WEIGHTS = "adapter_model.safetensors"
PREFIX = "base_model.model."


def check_adapter_fits(base: CheckpointTensors, adapter: Path) -> None:
    """Refuse an adapter whose matrices do not fit the base's, before anything is loaded.

    Raises:
        InputError: it was made for a model of another shape.
        SetupError: the folder holds no LoRA adapter in safetensors.
    """
    config = read_adapter_config(adapter)
    reversed_shape = bool(config.get("fan_in_fan_out"))
    for name, plan in read_plans(adapter / WEIGHTS).items():
        module, _, part = name.removeprefix(PREFIX).partition(".lora_")
        if part not in ("A.weight", "B.weight"):
            continue
        target = base.plans.get(f"{module}.weight") or base.plans.get(f"{module}.base_layer.weight")
        if target is None:
            raise InputError(f"{adapter} adapts {module}, which {base.folder} has not: it belongs to another base")
        outputs, inputs = target.shape[::-1] if reversed_shape else target.shape
        wanted, given = (inputs, plan.shape[1]) if part == "A.weight" else (outputs, plan.shape[0])
        if wanted != given:
            raise InputError(
                f"{adapter} adapts {module} with {'inputs' if part == 'A.weight' else 'outputs'} of {given} where "
                f"{base.folder} has {wanted}: it belongs to another base"
            )


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


def read_adapter_config(adapter: Path) -> dict[str, Any]:
    """The adapter's `adapter_config.json`.

    Raises:
        SetupError: the folder holds no LoRA adapter in safetensors.
    """
    config = check_adapter(adapter.name, adapter)
    if config.get("peft_type") != "LORA":
        raise SetupError(f"{adapter} is a {config.get('peft_type')} adapter: only LORA adapters can be merged")
    if not (adapter / WEIGHTS).is_file():
        raise SetupError(f"{adapter} has no {WEIGHTS}: save the adapter again with PEFT's safe serialization")
    return config


def merge_adapter(
    base: Path,
    adapter: Path,
    output: Output,
    samples: Sequence[Sample],
    *,
    dtype: Literal["float32", "bfloat16", "float16"] = "bfloat16",
    another_base: bool = False,
) -> tuple[LogitDifference, LogitDifference]:
    """Add the adapter's products to the base's matrices in float32 (PEFT) and save the sum as a checkpoint.

    Returns what two steps change against base + adapter in float32: merging, and saving in the number format chosen.
    Memory: the base in float32, 4 bytes a parameter; the saved one is read back after it is freed.

    Args:
        base: folder of the checkpoint that the adapter was trained on.
        adapter: folder of a LoRA adapter in PEFT's layout.
        output: the new folder.
        samples: real questions; their prompts are what the models are compared on.
        dtype: number format of the saved weights.
        another_base: merge although the adapter's record names a base of other content.

    Raises:
        InputError: the adapter does not belong to the base.
        SetupError: something is missing, or the folder cannot be written.
        EngineError: the merged model differs from base + adapter by more than the tolerance.
    """
    output.refuse_to_replace()
    check_checkpoint(str(base))
    read_adapter_config(adapter)
    config = read_config(base)
    refuse_quantized(base)
    check_adapter_fits(CheckpointTensors(base), adapter)
    if not another_base:
        check_trained_on(base, adapter)
    prompts = encoded_prompts(samples, base, int(config["max_position_embeddings"]))
    with new_checkpoint(output, "merge", {"base": base, "adapter": adapter}, base, {"dtype": dtype}) as made:
        network: Any = with_adapter(load_network(base), adapter)
        wanted = last_logits(network, prompts)
        network = network.merge_and_unload(safe_merge=True)
        merged = compare_logits(wanted, last_logits(network, prompts))
        _refuse(merged, "float32", "merging")
        network.to(getattr(torch, dtype)).save_pretrained(made.folder, max_shard_size=output.shard_bytes)
        network = None
        made.carry_over(dtype_fields(config, dtype), adapter)
        saved = compare_logits(wanted, last_logits(load_network(made.folder), prompts))
        _refuse(saved, dtype, f"saving in {dtype}")
        made.checks |= {"merged": asdict(merged), "saved": asdict(saved)}
    return merged, saved


def _refuse(difference: LogitDifference, dtype: str, what: str) -> None:
    if difference.relative > TOLERANCE[dtype]:
        raise EngineError(
            f"{what} changed a logit by {difference.relative:.2g} of the largest one, more than the "
            f"{TOLERANCE[dtype]:g} that {dtype} explains; nothing was written"
        )
