"""A checkpoint's tensors on disk, read one at a time."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from app.errors import InputError

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
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
        count = 1
        for length in self.shape:
            count *= length
        return count * self.dtype.itemsize


class CheckpointTensors:
    """The tensors of a folder's safetensors files. Nothing but their headers is kept in memory."""

    def __init__(self, folder: Path) -> None:
        """Read the headers.

        Raises:
            InputError: there are no safetensors files, or one is missing or damaged.
        """
        self.folder = folder
        self.plans: dict[str, TensorPlan] = {}
        self._files: dict[str, Path] = {}
        for file in weight_files(folder):
            self._read_header(file)

    def read(self, name: str) -> torch.Tensor:
        """One tensor, as it is stored."""
        with safe_open(self._files[name], framework="pt") as opened:
            tensor: torch.Tensor = opened.get_tensor(name)
        return tensor

    def _read_header(self, file: Path) -> None:
        try:
            with safe_open(file, framework="pt") as opened:
                for name in opened.keys():  # noqa: SIM118 - not a mapping
                    part = opened.get_slice(name)
                    self.plans[name] = TensorPlan(name, DTYPES[part.get_dtype()], tuple(part.get_shape()))
                    self._files[name] = file
        except (OSError, SafetensorError) as error:
            raise InputError(f"{file} is damaged or incomplete ({error}): copy the checkpoint again") from error
        except KeyError as error:
            raise InputError(f"{file} holds numbers in the format {error}, which is not known here") from error


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files that make up a checkpoint, in order of name.

    Raises:
        InputError: there are none, or one that the index names is missing.
    """
    index = folder / INDEX
    if index.is_file():
        try:
            names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        except (ValueError, KeyError) as error:
            raise InputError(f"{index} is damaged: copy the checkpoint again") from error
    else:
        names = [SINGLE]
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise InputError(
            f"{folder} has no {missing[0]}: weights are read from safetensors files only; complete the checkpoint"
        )
    return [folder / name for name in names]
