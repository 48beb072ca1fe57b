"""Safetensors files, written tensor by tensor: a model larger than the memory can be made this way.

The format (8 bytes of header length, a JSON header with every tensor's place, then the numbers) is that of the
safetensors library, whose own writer wants a whole file in memory.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from app.errors import InputError
from app.training.checkpoints.tensors import DTYPES, INDEX, SINGLE, TensorPlan

SHARD_BYTES = 5 * 10**9
"""Largest file, unless a single tensor is larger."""
ALIGNMENT = 8
_NAMES = {dtype: name for name, dtype in DTYPES.items()}


def write_tensors(
    folder: Path,
    plans: Iterable[TensorPlan],
    compute: Callable[[str], torch.Tensor],
    *,
    shard_bytes: int = SHARD_BYTES,
    advance: Callable[[int], None] = lambda _: None,
) -> None:
    """Write what `compute` gives for each planned name, in files of at most `shard_bytes`.

    Args:
        folder: where the files go, with an index where there are several.
        plans: names, number formats and shapes of all tensors.
        compute: the tensor of a name; it is called once a name, and its result is not kept.
        shard_bytes: largest file.
        advance: told the bytes of each tensor written.

    Raises:
        OSError: the disk takes no more.
        InputError: a computed tensor is not of its planned shape.
    """
    shards = _shards(list(plans), shard_bytes)
    total = len(shards)
    names = [SINGLE] if total == 1 else [f"model-{n:05d}-of-{total:05d}.safetensors" for n in range(1, total + 1)]
    for name, shard in zip(names, shards, strict=True):
        _write_shard(folder / name, shard, compute, advance)
    if total > 1:
        places = {plan.name: name for name, shard in zip(names, shards, strict=True) for plan in shard}
        size = sum(plan.bytes for shard in shards for plan in shard)
        index = {"metadata": {"total_size": size}, "weight_map": places}
        (folder / INDEX).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")


def _shards(plans: Sequence[TensorPlan], shard_bytes: int) -> list[list[TensorPlan]]:
    shards: list[list[TensorPlan]] = [[]]
    room = shard_bytes
    for plan in plans:
        if shards[-1] and plan.bytes > room:
            shards.append([])
            room = shard_bytes
        shards[-1].append(plan)
        room -= plan.bytes
    # Wide numbers first, so that every tensor begins where its kind of number may.
    return [sorted(shard, key=lambda plan: -plan.dtype.itemsize) for shard in shards]


def _write_shard(
    path: Path, plans: Sequence[TensorPlan], compute: Callable[[str], torch.Tensor], advance: Callable[[int], None]
) -> None:
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for plan in plans:
        header[plan.name] = {
            "dtype": _NAMES[plan.dtype],
            "shape": list(plan.shape),
            "data_offsets": [end, end + plan.bytes],
        }
        end += plan.bytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for plan in plans:
            file.write(_bytes(plan, compute(plan.name)).data)
            advance(plan.bytes)


def _bytes(plan: TensorPlan, tensor: torch.Tensor) -> npt.NDArray[np.uint8]:
    if tuple(tensor.shape) != plan.shape:
        raise InputError(f"{plan.name} came out as {tuple(tensor.shape)} where {plan.shape} was planned")
    flat = tensor.to(plan.dtype).contiguous().reshape(-1)
    numbers: npt.NDArray[np.uint8] = flat.view(torch.uint8).numpy()
    return numbers
