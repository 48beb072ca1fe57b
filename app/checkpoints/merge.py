"""A base and its adapter as one checkpoint, held against base + adapter on real prompts."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import JsonValue
from safetensors import SafetensorError, safe_open

from app.checkpoints.answering import encoded_prompts
from app.checkpoints.folder import (
    TRAINING,
    copy_companions,
    copy_tokenizer,
    dtype_fields,
    read_config,
    refuse_quantized,
)
from app.checkpoints.lineage import lineage_input, lineage_step, read_lineage, write_lineage
from app.checkpoints.network import TOLERANCE, LogitDifference, compare_logits, last_logits, load_network, with_adapter
from app.checkpoints.tensors import SHARD_BYTES, CheckpointTensors, refuse_to_replace, whole_checkpoint
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
    for name, shape in _shapes(adapter / WEIGHTS).items():
        module, _, part = name.removeprefix(PREFIX).partition(".lora_")
        if part not in ("A.weight", "B.weight"):
            continue
        target = base.plans.get(f"{module}.weight") or base.plans.get(f"{module}.base_layer.weight")
        if target is None:
            raise InputError(f"{adapter} adapts {module}, which {base.folder} has not: it belongs to another base")
        outputs, inputs = target.shape[::-1] if reversed_shape else target.shape
        wanted, given = (inputs, shape[1]) if part == "A.weight" else (outputs, shape[0])
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
    if not path.is_file():
        return
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is not JSON: {error}") from error
    known = record.get("model_revision") if isinstance(record, dict) else None
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


def _shapes(path: Path) -> dict[str, tuple[int, ...]]:
    try:
        with safe_open(path, framework="pt") as opened:
            return {name: tuple(opened.get_slice(name).get_shape()) for name in opened.keys()}  # noqa: SIM118 - no mapping
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} is damaged or incomplete ({error}): copy the adapter again") from error


DtypeName = Literal["float32", "bfloat16", "float16"]


@dataclass(frozen=True, slots=True)
class MergeChecks:
    """What the two steps of a merge change, against base + adapter in float32."""

    merged: LogitDifference
    """The merged weights, still in float32."""
    saved: LogitDifference
    """The weights as they were read back from the new folder, in the number format chosen."""

    def to_json(self) -> dict[str, JsonValue]:
        """The figures by name."""
        return {"merged": self.merged.to_json(), "saved": self.saved.to_json()}


def merge_adapter(
    base: Path,
    adapter: Path,
    target: Path,
    samples: Sequence[Sample],
    *,
    dtype: DtypeName = "bfloat16",
    overwrite: bool = False,
    another_base: bool = False,
    shard_bytes: int = SHARD_BYTES,
) -> MergeChecks:
    """Add the adapter's products to the base's matrices in float32 (PEFT) and save the sum as a checkpoint.

    Memory: the base in float32, 4 bytes a parameter; the saved one is read back after it is freed.

    Args:
        base: folder of the checkpoint that the adapter was trained on.
        adapter: folder of a LoRA adapter in PEFT's layout.
        target: the new folder.
        samples: real questions; their prompts are what the models are compared on.
        dtype: number format of the saved weights.
        overwrite: replace a checkpoint at `target`.
        another_base: merge although the adapter's record names a base of other content.
        shard_bytes: largest file.

    Raises:
        InputError: the adapter does not belong to the base.
        SetupError: something is missing, or the folder cannot be written.
        EngineError: the merged model differs from base + adapter by more than the tolerance.
    """
    started = time.monotonic()
    refuse_to_replace(target, overwrite=overwrite)
    config = _check(base, adapter, another_base=another_base)
    prompts = encoded_prompts(samples, base, int(config["max_position_embeddings"]))
    network: Any = with_adapter(load_network(base), adapter)
    wanted = last_logits(network, prompts)
    network = network.merge_and_unload(safe_merge=True)
    merged = compare_logits(wanted, last_logits(network, prompts))
    _refuse(merged, "float32", "merging")
    with whole_checkpoint(target, overwrite=overwrite) as made:
        network.to(getattr(torch, dtype)).save_pretrained(made, max_shard_size=shard_bytes)
        network = None
        saved_fields = dtype_fields(config, dtype)
        copy_companions(base, made, saved_fields)
        # What the adapter was trained with is what it must be served with.
        copy_tokenizer(adapter, made)
        _copy_record(adapter, made)
        saved = compare_logits(wanted, last_logits(load_network(made), prompts))
        _refuse(saved, dtype, f"saving in {dtype}")
        checks = MergeChecks(merged, saved)
        inputs = [lineage_input("base", base), lineage_input("adapter", adapter)]
        step = lineage_step("merge", inputs, {"dtype": dtype}, checks.to_json(), time.monotonic() - started)
        write_lineage(made, read_lineage(base), step)
    return checks


def _check(base: Path, adapter: Path, *, another_base: bool) -> dict[str, Any]:
    check_checkpoint(str(base))
    read_adapter_config(adapter)
    config = read_config(base)
    refuse_quantized(base)
    check_adapter_fits(CheckpointTensors(base), adapter)
    if not another_base:
        check_trained_on(base, adapter)
    return config


def _copy_record(adapter: Path, made: Path) -> None:
    if (adapter / TRAINING).is_file():
        (made / TRAINING).write_bytes((adapter / TRAINING).read_bytes())


def _refuse(difference: LogitDifference, dtype: str, what: str) -> None:
    if difference.relative > TOLERANCE[dtype]:
        raise EngineError(
            f"{what} changed a logit by {difference.relative:.2g} of the largest one, more than the "
            f"{TOLERANCE[dtype]:g} that {dtype} explains; nothing was written"
        )
