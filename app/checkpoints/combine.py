"""New weights from the weights of several checkpoints, tensor by tensor."""

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import JsonValue

from app.checkpoints.folder import check_combinable, copy_companions, dtype_fields, read_config
from app.checkpoints.lineage import LineageInput, lineage_input, lineage_step, read_lineage, write_lineage
from app.checkpoints.tensors import SHARD_BYTES, CheckpointTensors, whole_checkpoint, write_tensors
from app.errors import InputError

PARALLEL = 0.9995
"""From this cosine on, two tensors count as parallel and are combined linearly: the angle between them is then under
two degrees, where both paths agree and the sine in the denominator loses its digits."""

DOT_PART = 2**24
"""Numbers that are multiplied in double precision at a time."""


@dataclass(frozen=True, slots=True)
class Combination:
    """A rule that makes one tensor of several."""

    name: str
    roles: tuple[str, ...]
    """What each checkpoint is to the rule; the first gives configuration and tokenizer."""
    settings: dict[str, JsonValue]
    rule: Callable[[Sequence[torch.Tensor]], torch.Tensor]
    """float32 tensors of one shape in, one out."""


def interpolation(alpha: float) -> Combination:
    """WiSE-FT: `base + alpha * (tuned - base)`, exact at both ends.

    Wortsman et al., 2022, "Robust fine-tuning of zero-shot models", equation 1.

    Raises:
        InputError: alpha is not between 0 and 1.
    """
    _between(alpha, "alpha")
    return Combination(
        "interpolate", ("base", "tuned"), {"alpha": alpha}, lambda pair: torch.lerp(pair[0], pair[1], alpha)
    )


def average(weights: Sequence[float]) -> Combination:
    """The weighted mean of any number of checkpoints; weights are divided by their sum.

    Wortsman et al., 2022, "Model soups", is the mean with equal weights.

    Raises:
        InputError: fewer than two weights, a negative one, or all of them 0.
    """
    if len(weights) < 2:
        raise InputError("an average needs two checkpoints or more")
    if not all(math.isfinite(weight) and weight >= 0 for weight in weights) or sum(weights) == 0:
        raise InputError(f"weights must be numbers of at least 0, not all 0 (given: {_listed(weights)})")
    shares = [weight / sum(weights) for weight in weights]

    def mean(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
        total = tensors[0] * shares[0]
        for tensor, share in zip(tensors[1:], shares[1:], strict=True):
            total.add_(tensor, alpha=share)
        return total

    roles = tuple(f"part {number}" for number in range(1, len(shares) + 1))
    return Combination("average", roles, {"weights": list(shares)}, mean)


def spherical(t: float) -> Combination:
    """Spherical linear interpolation, each tensor as one long vector; t = 0 is the first checkpoint.

    Shoemake, 1985, "Animating rotation with quaternion curves". The angle is that of the directions, the lengths
    are those of the tensors; (nearly) parallel and zero tensors are combined linearly.

    Raises:
        InputError: t is not between 0 and 1.
    """
    _between(t, "t")
    return Combination("slerp", ("first", "second"), {"t": t}, lambda pair: slerp(pair[0], pair[1], t))


def slerp(first: torch.Tensor, second: torch.Tensor, t: float) -> torch.Tensor:
    """The point at `t` of the arc between two tensors of one shape, in the first one's precision."""
    lengths = math.sqrt(_dot(first, first) * _dot(second, second))
    cosine = _dot(first, second) / lengths if lengths > 0 else 1.0
    if abs(cosine) > PARALLEL:
        return torch.lerp(first, second, t)
    angle = math.acos(cosine)
    mixed = first * (math.sin((1 - t) * angle) / math.sin(angle))
    return mixed.add_(second, alpha=math.sin(t * angle) / math.sin(angle))


def _dot(first: torch.Tensor, second: torch.Tensor) -> float:
    """The sum of products in double precision, a part at a time: embeddings have billions of numbers."""
    parts = zip(torch.split(first.flatten(), DOT_PART), torch.split(second.flatten(), DOT_PART), strict=True)
    return sum(float(one.double().dot(two.double())) for one, two in parts)


def combine(
    folders: Sequence[Path],
    target: Path,
    combination: Combination,
    *,
    overwrite: bool = False,
    shard_bytes: int = SHARD_BYTES,
    advance: Callable[[int], None] = lambda _: None,
) -> None:
    """Write the combined checkpoint, computed in float32 and stored as the first checkpoint's tensors are.

    At any time one tensor of each checkpoint is in memory.

    Args:
        folders: the checkpoints, as the combination's roles name them.
        target: the new folder.
        combination: what to compute.
        overwrite: replace a checkpoint at `target`.
        shard_bytes: largest file.
        advance: told the bytes of each tensor written.

    Raises:
        InputError: the checkpoints do not fit together.
        SetupError: the folder cannot be written.
    """
    started = time.monotonic()
    if len(folders) != len(combination.roles):
        raise InputError(f"{combination.name} needs {len(combination.roles)} checkpoints, {len(folders)} are given")
    sources = [CheckpointTensors(folder) for folder in folders]
    check_combinable(sources[0], sources[1:])
    with whole_checkpoint(target, overwrite=overwrite) as made:
        write_tensors(
            made,
            sources[0].plans.values(),
            lambda name: _combined(name, sources, combination),
            shard_bytes=shard_bytes,
            advance=advance,
        )
        main = folders[-1] if combination.name == "interpolate" else folders[0]
        copy_companions(main, made, dtype_fields(read_config(main), _dtype_name(sources[0])))
        inputs = _inputs(folders, combination)
        step = lineage_step(combination.name, inputs, combination.settings, {}, time.monotonic() - started)
        write_lineage(made, read_lineage(main), step)


def _combined(name: str, sources: Sequence[CheckpointTensors], combination: Combination) -> torch.Tensor:
    tensors = [source.read(name) for source in sources]
    if not tensors[0].is_floating_point():
        if any(not torch.equal(tensor, tensors[0]) for tensor in tensors[1:]):
            raise InputError(f"{name} holds whole numbers that differ between the checkpoints: they cannot be combined")
        return tensors[0]
    return combination.rule([tensor.float() for tensor in tensors])


def _dtype_name(source: CheckpointTensors) -> str:
    """The number format of most of a checkpoint's numbers, as `config.json` names it."""
    sizes: Counter[torch.dtype] = Counter()
    for plan in source.plans.values():
        sizes[plan.dtype] += plan.bytes
    return str(sizes.most_common(1)[0][0]).removeprefix("torch.")


def _inputs(folders: Sequence[Path], combination: Combination) -> list[LineageInput]:
    return [lineage_input(role, folder) for role, folder in zip(combination.roles, folders, strict=True)]


def _between(value: float, name: str) -> None:
    if not 0 <= value <= 1:
        raise InputError(f"{name} must be between 0 and 1 (given: {value:g})")


def _listed(weights: Sequence[float]) -> str:
    return ", ".join(f"{weight:g}" for weight in weights) or "none"
