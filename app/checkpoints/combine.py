"""New weights from the weights of several checkpoints, tensor by tensor."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import JsonValue

from app.checkpoints.folder import Output, dtype_fields, new_checkpoint, read_config, refuse_quantized
from app.checkpoints.tensors import CheckpointTensors
from app.engines.checkpoint_files import read_object
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
    """What each checkpoint is to the rule."""
    settings: dict[str, JsonValue]
    rule: Callable[[Sequence[torch.Tensor]], torch.Tensor]
    """float32 tensors of one shape in, one out."""
    origin: int = 0
    """Which of the checkpoints gives configuration, tokenizer and lineage."""


def interpolation(alpha: float) -> Combination:
    """WiSE-FT: `base + alpha * (tuned - base)`, exact at both ends.

    Wortsman et al., 2022, "Robust fine-tuning of zero-shot models", equation 1.

    Raises:
        InputError: alpha is not between 0 and 1.
    """
    _between(alpha, "alpha")
    return Combination(
        "interpolate", ("base", "tuned"), {"alpha": alpha}, lambda pair: torch.lerp(pair[0], pair[1], alpha), origin=-1
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
        given = ", ".join(f"{weight:g}" for weight in weights)
        raise InputError(f"weights must be numbers of at least 0, not all 0 (given: {given})")
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


def combine(folders: Sequence[Path], output: Output, combination: Combination) -> None:
    """Write the combined checkpoint, computed in float32 and stored as the first checkpoint's tensors are.

    `folders` are the checkpoints as the combination's roles name them. At any time one tensor of each is in memory.

    Raises:
        InputError: the checkpoints do not fit together.
        SetupError: the folder cannot be written.
    """
    if len(folders) != len(combination.roles):
        raise InputError(f"{combination.name} needs {len(combination.roles)} checkpoints, {len(folders)} are given")
    sources = check_combinable(folders)
    origin = folders[combination.origin]
    inputs = dict(zip(combination.roles, folders, strict=True))
    plans = sources[0].plans.values()
    sizes: Counter[torch.dtype] = Counter()
    for plan in plans:
        sizes[plan.dtype] += plan.bytes
    # The number format of most of the numbers.
    dtype = str(sizes.most_common(1)[0][0]).removeprefix("torch.")
    with new_checkpoint(output, combination.name, inputs, origin, combination.settings) as made:
        made.write(plans, lambda name: _combined(name, sources, combination))
        made.carry_over(dtype_fields(read_config(origin), dtype))


def _combined(name: str, sources: Sequence[CheckpointTensors], combination: Combination) -> torch.Tensor:
    tensors = [source.read(name) for source in sources]
    if not tensors[0].is_floating_point():
        if any(not torch.equal(tensor, tensors[0]) for tensor in tensors[1:]):
            raise InputError(f"{name} holds whole numbers that differ between the checkpoints: they cannot be combined")
        return tensors[0]
    return combination.rule([tensor.float() for tensor in tensors])


def _between(value: float, name: str) -> None:
    if not 0 <= value <= 1:
        raise InputError(f"{name} must be between 0 and 1 (given: {value:g})")


SAME_FIELDS = ("model_type", "architectures", "vocab_size", "hidden_size", "num_hidden_layers", "intermediate_size")


def check_combinable(folders: Sequence[Path]) -> list[CheckpointTensors]:
    """The tensors of checkpoints that mean the same by the same names.

    Raises:
        InputError: they differ in architecture, names, shapes or vocabulary; the message names the first difference.
    """
    for folder in folders:
        refuse_quantized(folder)
    first, *others = [CheckpointTensors(folder) for folder in folders]
    for other in others:
        pair = f"{first.folder} and {other.folder}"
        ours, theirs = read_config(first.folder), read_config(other.folder)
        for name in SAME_FIELDS:
            if ours.get(name) != theirs.get(name):
                raise InputError(f"{pair} cannot be combined: {name} is {ours.get(name)!r} and {theirs.get(name)!r}")
        _check_tensors(first, other)
        vocabularies = [_vocabulary(folder) for folder in (first.folder, other.folder)]
        if None not in vocabularies and vocabularies[0] != vocabularies[1]:
            raise InputError(f"{pair} have different vocabularies (tokenizer.json): they cannot be combined")
    return [first, *others]


def _check_tensors(first: CheckpointTensors, other: CheckpointTensors) -> None:
    if lacking := sorted(first.plans.keys() ^ other.plans.keys()):
        owner, lacks = (first, other) if lacking[0] in first.plans else (other, first)
        raise InputError(
            f"{owner.folder} has the tensor {lacking[0]} and {lacks.folder} has not: they cannot be combined"
        )
    for name, plan in first.plans.items():
        shape = other.plans[name].shape
        if plan.shape != shape:
            raise InputError(
                f"{name} is {_shape(plan.shape)} in {first.folder} and {_shape(shape)} in {other.folder}: "
                "they cannot be combined"
            )


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "a single number"


def _vocabulary(folder: Path) -> object:
    """Tokens and merges; None where the tokenizer is in another kind of file."""
    path = folder / "tokenizer.json"
    if not path.is_file():
        return None
    values = read_object(path)
    model = values.get("model")
    if not isinstance(model, dict):
        raise InputError(f"{path} is damaged: copy the checkpoint again")
    return model.get("vocab"), model.get("merges"), values.get("added_tokens")
