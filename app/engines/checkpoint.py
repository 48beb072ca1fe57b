"""A checkpoint in the Hugging Face layout, looked at before any heavy library is loaded."""

import json
import re
from pathlib import Path
from typing import Any

from app.errors import SetupError

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json")


def check_checkpoint(model: str) -> None:
    """Refuse a folder that is not a checkpoint. Names on the Hugging Face hub are left to the library.

    Raises:
        SetupError: the folder, its configuration, its weights or its tokenizer is missing.
    """
    folder = Path(model)
    if not folder.exists():
        if HUB_NAME.fullmatch(model):
            return
        raise SetupError(f"no checkpoint at {model}: put the weights there or set model to where they are")
    for what, patterns in (("configuration", ("config.json",)), ("weights", WEIGHTS), ("tokenizer", TOKENIZERS)):
        if not any(found for pattern in patterns for found in folder.glob(pattern)):
            raise SetupError(
                f"{model} holds no {what} ({' or '.join(patterns)}): "
                "complete the checkpoint or set model to another folder"
            )


def check_adapter(name: str, path: Path) -> dict[str, Any]:
    """The configuration of a LoRA adapter in PEFT's layout.

    Raises:
        SetupError: the folder holds no adapter.
    """
    config = path / "adapter_config.json"
    if not config.is_file() or not any(path.glob("adapter_model.*")):
        raise SetupError(
            f"adapter {name!r}: {path} holds no adapter_config.json with adapter_model.safetensors; "
            "set adapters to folders written by the training command"
        )
    try:
        values: dict[str, Any] = json.loads(config.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SetupError(f"adapter {name!r}: {config} is not JSON: {error}") from error
    return values


def quantization_method(model: str) -> str | None:
    """How a checkpoint's files say that its weights are packed; None where they do not, and for hub names."""
    try:
        values = json.loads((Path(model) / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    packing = values.get("quantization_config") if isinstance(values, dict) else None
    return packing.get("quant_method") if isinstance(packing, dict) else None
