"""A LoRA adapter in PEFT's layout, and whether it belongs to a base checkpoint."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from app.checkpoints.checks import TRAINING
from app.checkpoints.tensors import CheckpointTensors
from app.engines.options import check_adapter
from app.errors import InputError, SetupError
from app.jobs.identity import folder_revision

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
