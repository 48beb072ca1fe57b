"""The files that a checkpoint needs beside its weights."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from app.checkpoints.tensors import CheckpointTensors
from app.errors import InputError

CONFIG = "config.json"
GENERATION = "generation_config.json"
TRAINING = "training.json"
PATTERNS = (
    "tokenizer*",
    "vocab*",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template*",
    "additional_chat_templates/*",
    "*.model",
)


def read_config(folder: Path) -> dict[str, Any]:
    """A checkpoint's `config.json`.

    Raises:
        InputError: it is missing or not a JSON object.
    """
    path = folder / CONFIG
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{folder} is no checkpoint: it has no {CONFIG}") from error
    except ValueError as error:
        raise InputError(f"{path} is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise InputError(f"{path} must hold one JSON object")
    return values


def copy_companions(source: Path, target: Path, config: Mapping[str, object] | None = None) -> None:
    """Carry over configuration, decoding settings, tokenizer, chat template and the record of the training.

    Args:
        source: the checkpoint that they come from.
        target: the folder that gets them.
        config: fields of `config.json` that change; None removes one.
    """
    copy_tokenizer(source, target)
    values = read_config(source)
    for name, value in (config or {}).items():
        values.pop(name, None)
        if value is not None:
            values[name] = value
    write_json(target / CONFIG, values)
    if (source / GENERATION).is_file():
        shutil.copyfile(source / GENERATION, target / GENERATION)
    else:
        ends = {name: values[name] for name in ("eos_token_id", "pad_token_id") if values.get(name) is not None}
        write_json(target / GENERATION, {"do_sample": False, **ends})
    if (source / TRAINING).is_file():
        shutil.copyfile(source / TRAINING, target / TRAINING)


def copy_tokenizer(source: Path, target: Path) -> None:
    """Carry over the tokenizer's files and the chat template."""
    for pattern in PATTERNS:
        for path in sorted(source.glob(pattern)):
            if path.is_file():
                place = target / path.relative_to(source)
                place.parent.mkdir(exist_ok=True)
                shutil.copyfile(path, place)


def write_json(path: Path, values: Mapping[str, object]) -> None:
    """Write an object for people and programs."""
    path.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def dtype_fields(source: Mapping[str, Any], dtype: str) -> dict[str, object]:
    """The fields of `config.json` that name the number format, under the names that the file has them by."""
    names = [name for name in ("dtype", "torch_dtype") if name in source] or ["dtype"]
    return dict.fromkeys(names, dtype)


SAME_FIELDS = ("model_type", "architectures", "vocab_size", "hidden_size", "num_hidden_layers", "intermediate_size")


def check_combinable(first: CheckpointTensors, others: Sequence[CheckpointTensors]) -> None:
    """Refuse checkpoints whose tensors do not mean the same.

    Raises:
        InputError: they differ in architecture, names, shapes or vocabulary; the message names the first difference.
    """
    refuse_quantized(first.folder)
    for other in others:
        refuse_quantized(other.folder)
        _check_configs(first.folder, other.folder)
        _check_tensors(first, other)
        _check_vocabularies(first.folder, other.folder)


def refuse_quantized(folder: Path) -> None:
    """Refuse weights that are no plain numbers.

    Raises:
        InputError: the checkpoint is quantized.
    """
    if "quantization_config" in read_config(folder):
        raise InputError(f"{folder} is quantized: start from the checkpoint that it was made of")


def _check_configs(first: Path, other: Path) -> None:
    ours, theirs = read_config(first), read_config(other)
    for name in SAME_FIELDS:
        if ours.get(name) != theirs.get(name):
            raise InputError(
                f"{first} and {other} cannot be combined: {name} is {ours.get(name)!r} and {theirs.get(name)!r}"
            )


def _check_tensors(first: CheckpointTensors, other: CheckpointTensors) -> None:
    if lacking := sorted(first.plans.keys() ^ other.plans.keys()):
        name = lacking[0]
        owner, lacks = (first, other) if name in first.plans else (other, first)
        raise InputError(f"{owner.folder} has the tensor {name} and {lacks.folder} has not: they cannot be combined")
    for name, plan in first.plans.items():
        shape = other.plans[name].shape
        if plan.shape != shape:
            raise InputError(
                f"{name} is {_shape(plan.shape)} in {first.folder} and {_shape(shape)} in {other.folder}: "
                "they cannot be combined"
            )


def _check_vocabularies(first: Path, other: Path) -> None:
    ours, theirs = _vocabulary(first), _vocabulary(other)
    if ours is not None and theirs is not None and ours != theirs:
        raise InputError(f"{first} and {other} have different vocabularies (tokenizer.json): they cannot be combined")


def _vocabulary(folder: Path) -> object:
    """Tokens and merges; None where the tokenizer is in another kind of file."""
    path = folder / "tokenizer.json"
    if not path.is_file():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return values["model"].get("vocab"), values["model"].get("merges"), values.get("added_tokens")
    except (ValueError, KeyError, AttributeError) as error:
        raise InputError(f"{path} is damaged: copy the checkpoint again") from error


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "a single number"
