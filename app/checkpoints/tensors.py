"""A checkpoint's tensors on disk, read one at a time."""

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open

from app.engines.checkpoint_files import INDEX, SINGLE, indexed_files, read_headers
from app.errors import InputError, SetupError

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
"""Number formats by the names that safetensors gives them."""


@dataclass(frozen=True, slots=True)
class TensorPlan:
    """What a tensor is, before its numbers are read or computed."""

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]

    @property
    def bytes(self) -> int:
        """Its size on disk."""
        return self.numbers * self.dtype.itemsize

    @property
    def numbers(self) -> int:
        """How many it holds."""
        return math.prod(self.shape)


class CheckpointTensors:
    """The tensors of a folder's safetensors files. Nothing but their headers is kept in memory."""

    def __init__(self, folder: Path) -> None:
        """Read the headers.

        Raises:
            SetupError: there are no safetensors files, or one is missing or damaged.
        """
        self.folder = folder
        self.plans: dict[str, TensorPlan] = {}
        self._files: dict[str, Path] = {}
        for file in weight_files(folder):
            found = read_plans(file)
            self.plans |= found
            self._files |= dict.fromkeys(found, file)

    def read(self, name: str) -> torch.Tensor:
        """One tensor, as it is stored."""
        with safe_open(self._files[name], framework="pt") as opened:
            tensor: torch.Tensor = opened.get_tensor(name)
        return tensor

    @property
    def bytes(self) -> int:
        """Of all tensors."""
        return sum(plan.bytes for plan in self.plans.values())


def read_plans(file: Path) -> dict[str, TensorPlan]:
    """What a safetensors file holds, from its header.

    Raises:
        SetupError: it is missing or damaged.
        InputError: it holds numbers of an unknown format.
    """
    try:
        return {
            name: TensorPlan(name, DTYPES[header.dtype], header.shape) for name, header in read_headers(file).items()
        }
    except KeyError as error:
        raise InputError(f"{file} holds numbers in the format {error}, which is not known here") from error


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files that make up a checkpoint, in order of name.

    Raises:
        SetupError: there are none, or one that the index names is missing.
    """
    if (folder / INDEX).is_file():
        return list(indexed_files(folder / INDEX))
    if not (folder / SINGLE).is_file():
        raise SetupError(
            f"{folder} has no {SINGLE}: weights are read from safetensors files only; complete the checkpoint"
        )
    return [folder / SINGLE]


def weight_bytes(folder: Path) -> int:
    """Bytes of a checkpoint's weight files. Errors as `weight_files`."""
    return sum(path.stat().st_size for path in weight_files(folder))


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
            tensor = compute(plan.name)
            if tuple(tensor.shape) != plan.shape:
                raise InputError(f"{plan.name} came out as {tuple(tensor.shape)} where {plan.shape} was planned")
            file.write(tensor.to(plan.dtype).contiguous().reshape(-1).view(torch.uint8).numpy().data)
            advance(plan.bytes)
