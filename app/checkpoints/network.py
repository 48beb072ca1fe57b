"""Checkpoints and adapters as networks in memory, for what needs a forward pass."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from app.checkpoints.tensors import CheckpointTensors
from app.engines import transformers
from app.errors import SetupError


def load_network(checkpoint: Path, *, on_gpus: bool = False) -> nn.Module:
    """A checkpoint's network, ready to answer, in float32 on the CPU.

    Args:
        checkpoint: its folder.
        on_gpus: spread it over the GPUs instead, where there are any, in the number format that it is stored in.

    Raises:
        SetupError: there is not enough memory, or the library cannot load it.
    """
    options: dict[str, Any] = {"dtype": torch.float32}
    if on_gpus and torch.cuda.is_available():
        options = {"dtype": "auto", "device_map": "auto"}
    else:
        check_memory(checkpoint)
    network: nn.Module = transformers.load_network(checkpoint, **options)
    return network.eval()


def check_memory(checkpoint: Path) -> None:
    """Refuse, with a `SetupError`, what does not fit the memory in float32: the system would end the process midway."""
    plans = CheckpointTensors(checkpoint).plans.values()
    needed = sum(plan.bytes // plan.dtype.itemsize for plan in plans) * torch.float32.itemsize
    free = free_memory()
    if free is not None and needed > free:
        raise SetupError(
            f"{checkpoint} needs {needed / 1e9:,.0f} GB of memory in float32 and {free / 1e9:,.0f} GB are free: "
            "use a machine with more memory"
        )


def free_memory(source: Path = Path("/proc/meminfo")) -> int | None:
    """Bytes that a process may still take, as Linux estimates them; None where it does not say."""
    try:
        lines = source.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(found[0]) * 1024 if found else None


def with_adapter(network: nn.Module, adapter: Path) -> nn.Module:
    """The network with a LoRA adapter beside its weights.

    Raises:
        SetupError: the library cannot load it, or weights are missing from it.
    """
    with warnings.catch_warnings():
        # PEFT only warns of adapter weights that it did not find.
        warnings.filterwarnings("error", message=".*missing adapter keys.*")
        adapted: nn.Module = transformers.with_adapter(network, "adapter", adapter)
    return adapted.eval()


POSITIONS = 8
"""The last positions of a prompt that are compared: the model's first answer tokens hang on them."""
TOLERANCE = {"float32": 1e-4, "float16": 1e-2, "bfloat16": 6e-2}
"""Largest difference of a logit as a share of the largest logit, by the number format that rounds the weights.

Formats keep 24, 11 and 8 bits of a number; rounding errors of the layers add up to some tens of the last bit.
"""

Logits = list[torch.Tensor]
"""For each prompt, (positions, vocabulary) in float32 on the CPU."""


@dataclass(frozen=True, slots=True)
class LogitDifference:
    """Two models on the same prompts."""

    prompts: int
    positions: int
    largest: float
    """Of the absolute differences of a logit."""
    relative: float
    """The same as a share of the largest absolute logit of the first model."""
    mean_kl: float
    """Kullback-Leibler divergence of the second from the first, nats, mean over positions."""
    same_top: float
    """Share of positions whose most probable token is the same."""


@torch.inference_mode()
def last_logits(model: nn.Module, prompts: Sequence[Sequence[int]]) -> Logits:
    """The logits of each prompt's last `POSITIONS` positions."""
    device = next(model.parameters()).device
    found = []
    for ids in prompts:
        logits = model(torch.tensor([list(ids)], device=device)).logits[0, -POSITIONS:]
        found.append(logits.float().cpu())
    return found


def compare_logits(first: Logits, second: Logits) -> LogitDifference:
    """The differences of the second model from the first, which must have seen the same prompts."""
    one, two = torch.cat(first), torch.cat(second)
    largest = float((one - two).abs().max())
    log_one, log_two = one.log_softmax(-1), two.log_softmax(-1)
    divergence = (log_one.exp() * (log_one - log_two)).sum(-1).clamp_min(0)
    return LogitDifference(
        prompts=len(first),
        positions=len(one),
        largest=largest,
        relative=largest / max(float(one.abs().max()), 1e-12),
        mean_kl=float(divergence.mean()),
        same_top=float((one.argmax(-1) == two.argmax(-1)).float().mean()),
    )
