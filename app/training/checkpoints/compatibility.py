"""Whether checkpoints can be combined: same architecture, same tensors, same vocabulary."""

import json
from collections.abc import Sequence
from pathlib import Path

from app.errors import InputError
from app.training.checkpoints.companions import read_config
from app.training.checkpoints.tensors import CheckpointTensors

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
