"""A LoRA adapter's files, looked at before any heavy library is loaded: may it be served, and on this base?"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.engines.checkpoint_files import TensorHeader, check_zip, checkpoint_headers, read_headers, read_object
from app.errors import SetupError

MOST_RANK = 512
"""The largest that vLLM has room for (0.32)."""
_PLAIN_STARTS = ("gaussian", "eva", "orthogonal", "mica", "lora_ga")
"""Ways to begin an adapter (`init_lora_weights`) that leave its base as it is; PiSSA, OLoRA, CorDA and LoftQ do not."""
_MORE_THAN_LORA = (
    "use_dora", "modules_to_save", "lora_bias", "alora_invocation_tokens", "layer_replication", "use_bdlora",
    "use_qalora", "trainable_token_indices",
)  # fmt: skip
"""Fields of PEFT's configuration that name what is no pair of matrices beside the base's own."""
_FROM_RESIDUAL = re.compile(r"\.(q_proj|k_proj|v_proj|qkv_proj|gate_proj|up_proj|gate_up_proj)$")
"""Layers whose inputs are the residual stream, whatever way their weights are packed."""
_PREFIX = "base_model.model."
_PART = re.compile(r"\.lora_(embedding_)?([AB])(\.weight)?$")


def check_adapter(name: str, path: Path, model: str = "") -> dict[str, Any]:
    """The configuration of a LoRA adapter in PEFT's layout that can be served.

    An engine that finds one of these faults while it answers is lost for everyone who is asking it.

    Args:
        name: what messages call it.
        path: its folder.
        model: the checkpoint that it is for, which `check_checkpoint` has passed; of hub names nothing is known.

    Raises:
        SetupError: the folder holds no adapter, or a broken one, or one that is more than pairs of matrices, or one
            that was made for a base of another shape.
    """
    try:
        config, headers = _read(path)
        _refuse_more_than_pairs(path, config, headers)
        if model and Path(model).is_dir():
            _check_fits(Path(model), path, config, headers)
    except SetupError as error:
        raise SetupError(f"adapter {name!r}: {error}") from error
    return config


def largest_rank(config: Mapping[str, Any]) -> int:
    """Of the adapter's pairs of matrices."""
    return max(int(config.get("r", 8)), *map(int, (config.get("rank_pattern") or {}).values()), 0)


def adapted_modules(path: Path) -> frozenset[str]:
    """The kinds of layers that an adapter changes ("q_proj"), by its matrices; none where they are of PyTorch's format.

    Raises:
        SetupError: its files are missing or broken.
    """
    return frozenset(name.split(".lora_")[0].split(".")[-1] for name in _read(path)[1] if ".lora_" in name)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, TensorHeader]]:
    """Configuration and tensors; no tensors where they are of PyTorch's own format."""
    config, weights = path / "adapter_config.json", path / "adapter_model.safetensors"
    archives = [found for kind in ("bin", "pt") if (found := path / f"adapter_model.{kind}").is_file()]
    if not config.is_file() or not (weights.is_file() or archives):
        raise SetupError(
            f"{path} holds no adapter_config.json with adapter_model.safetensors; "
            "set adapters to folders written by the training command"
        )
    values = read_object(config)
    if weights.is_file():
        return values, read_headers(weights)
    check_zip(archives[0])
    return values, {}


def _refuse_more_than_pairs(path: Path, config: Mapping[str, Any], headers: Mapping[str, TensorHeader]) -> None:
    if (kind := config.get("peft_type")) != "LORA":
        raise SetupError(f"{path} is a {kind} adapter: only LORA adapters can be served and merged")
    more = [field for field in _MORE_THAN_LORA if config.get(field)]
    start = config.get("init_lora_weights", True)
    if isinstance(start, str) and start.lower() not in _PLAIN_STARTS:
        more.append(f"init_lora_weights: {start}")
    if (bias := config.get("bias") or "none") != "none":
        more.append(f"bias: {bias}")
    more += [name.removeprefix(_PREFIX) for name in headers if not _PART.search(name)][:1]
    if more:
        raise SetupError(
            f"{path} changes more than LoRA's pairs of matrices do ({', '.join(more)}): merge it into its base with "
            "PEFT's merge_and_unload and serve what comes out, or train it as plain LoRA"
        )
    try:
        rank = largest_rank(config)
    except (ValueError, TypeError, AttributeError) as error:
        raise SetupError(f"{path / 'adapter_config.json'} has no rank (r) that is a number: copy it again") from error
    if not 0 < rank <= MOST_RANK:
        raise SetupError(f"{path} has a rank of {rank}, and 1 to {MOST_RANK} can be served: train it with a smaller r")


def _check_fits(base: Path, path: Path, config: Mapping[str, Any], headers: Mapping[str, TensorHeader]) -> None:
    """Hold the pairs to the base's matrices. Parameters that are no layers (`target_parameters`) are not looked at."""
    known = checkpoint_headers(base)
    if not known or config.get("target_parameters"):
        return
    ranks = {int(config.get("r", 8)), *map(int, (config.get("rank_pattern") or {}).values())}
    hidden = read_object(base / "config.json").get("hidden_size")
    wrong = f"{path} was made for another base ({config.get('base_model_name_or_path') or 'it names none'}): "
    for name, header in headers.items():
        part = _PART.search(name)
        if part is None or len(header.shape) != 2:
            continue
        module = name[: part.start()].removeprefix(_PREFIX)
        first = part[2] == "A"
        rank, given = header.shape if first else header.shape[::-1]
        if rank not in ranks:
            raise SetupError(
                f"{path}: {module} has a rank of {rank} and adapter_config.json says {max(ranks)}: copy both again"
            )
        shapes = _shapes(known, module)
        if shapes is None:
            raise SetupError(f"{wrong}it adapts {module}, which {base} has not; name that base with --model")
        # An embedding is stored with a row for each input, a layer with a row for each output.
        rows_are_inputs = bool(config.get("fan_in_fan_out")) != bool(part[1])
        fitting = [shape[0] if rows_are_inputs == first else shape[1] for shape in shapes]
        if not shapes and first and isinstance(hidden, int) and _FROM_RESIDUAL.search(module):
            fitting = [hidden]
        if fitting and given not in fitting:
            raise SetupError(
                f"{wrong}{module} has {'inputs' if first else 'outputs'} of {given} where {base} has {fitting[0]}; "
                "name that base with --model"
            )


def _shapes(known: Mapping[str, TensorHeader], module: str) -> list[tuple[int, ...]] | None:
    """The shapes of the base's matrices of that name, none where they are packed; None where it has no such module.

    Models that also see or hear have `language_model` or the like in their layers' names, and not the same in files
    as in memory: only the end of a name is looked for there.
    """
    if module.endswith("lm_head") and not any("lm_head." in name for name in known):
        return []  # An output layer that shares the embedding's matrix is not stored.
    layer = re.search(r"\b(layers|h|blocks)\.\d+\..*$", module)
    end = layer.group() if layer else module.rpartition(".")[2]
    for tail in (module, end):
        found = {name: one for name, one in known.items() if f".{tail}." in f".{name}"}
        if found:
            # Four bits a number (bitsandbytes) stand in bytes, in a shape of their own.
            plain = {
                name: one.shape
                for name, one in found.items()
                if name.endswith((f"{tail}.weight", f"{tail}.base_layer.weight")) and one.dtype != "U8"
            }
            return list(plain.values())
    return None
