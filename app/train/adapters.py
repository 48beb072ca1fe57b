"""Several adapters of one base as one adapter, by fixed weights: no weight of the base is loaded."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from peft import PeftModel
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from app.engines import transformers
from app.engines.adapter_files import check_adapter
from app.errors import SetupError
from app.files import FolderKind, refuse_to_replace, whole_folder
from app.forms import own_forms, told, write_forms
from app.jobs.identity import folder_revision
from app.settings import Form
from app.train.trainer import saving
from app.types import TaskType

Method = Literal["cat", "svd", "linear", "ties", "ties_svd", "dare_linear", "dare_ties", "dare_linear_svd"]
METHODS: tuple[Method, ...] = get_args(Method)
SAME_RANK = ("linear", "ties", "dare_linear", "dare_ties")
"""These work on the factors themselves: an approximation, and only where all have one rank."""
PRUNING = tuple(method for method in METHODS if method.startswith(("ties", "dare")))
SUMMARY = "combination.json"
COMBINED = "combined"
ADAPTER = FolderKind("combined adapter", SUMMARY)


@dataclass(frozen=True, slots=True)
class Combination:
    """How adapters become one.

    `cat` puts the factors side by side: exactly the weighted sum of the updates, at the sum of the ranks. `svd` is
    the best approximation of that sum at a given rank. `ties` (Yadav et al. 2023, arXiv 2306.01708) and `dare` (Yu et
    al. 2023, arXiv 2311.03099) leave a share of the entries out first, so that adapters disturb each other less.
    """

    method: Method = "cat"
    density: float = 0.5
    """Share of the entries that ties and dare keep."""
    rank: int | None = None
    """Of the result, for svd; by default the largest rank given."""
    seed: int = 0
    """Of what dare leaves out."""


def combine(
    adapters: Sequence[Path], weights: Sequence[float], how: Combination, output: Path, model: str | None = None
) -> dict[str, Any]:
    """Write the combined adapter and `combination.json`, and return what the latter says.

    `model` is the base, where it is not where the adapters say.

    Raises:
        SetupError: the adapters do not fit together, or the output is there already or cannot be written.
    """
    configs = _check(adapters, weights, how, output)
    forms = forms_learnt(adapters)
    base = model or str(configs[0]["base_model_name_or_path"])
    network = load_adapters(_weightless(base), adapters)
    torch.manual_seed(how.seed)
    names = adapter_names(len(adapters))
    density = how.density if how.method in PRUNING else None
    network.add_weighted_adapter(
        names, list(weights), COMBINED, how.method, svd_rank=how.rank, svd_full_matrices=False, density=density
    )
    # The weights hold the scale already; with the first one's rsLoRA it would be applied once more.
    network.peft_config[COMBINED].use_rslora = False
    network.peft_config[COMBINED].base_model_name_or_path = base
    summary = {
        "model": base,
        "method": how.method,
        "rank": network.peft_config[COMBINED].r,
        "density": density,
        "seed": how.seed,
        "adapters": [
            {"path": str(path), "revision": folder_revision(path), "weight": weight}
            for path, weight in zip(adapters, weights, strict=True)
        ],
    }
    _save(network, output, summary, forms)
    return summary


def adapter_names(count: int) -> list[str]:
    """The names of loaded adapters, in their order: folders may be called alike."""
    return [f"expert_{number}" for number in range(count)]


def load_adapters(base: PreTrainedModel, adapters: Sequence[Path]) -> PeftModel:
    """The base with all adapters, named by `adapter_names`.

    Raises:
        SetupError: an adapter does not fit the base.
    """
    names = adapter_names(len(adapters))
    device = str(next(base.parameters()).device)
    network: PreTrainedModel | PeftModel = base
    for name, path in zip(names, adapters, strict=True):
        network = transformers.with_adapter(network, name, path, torch_device=device)
    if network is base:
        raise SetupError("name two adapters or more")
    return network


def check_adapters(adapters: Sequence[Path]) -> list[dict[str, Any]]:
    """Each adapter's own settings.

    Raises:
        SetupError: fewer than two, a folder that holds none, or different bases.
    """
    if len(adapters) < 2:
        raise SetupError("name two adapters or more")
    configs = [check_adapter(path.name, path) for path in adapters]
    bases = sorted({str(config["base_model_name_or_path"]) for config in configs})
    if len(bases) > 1:
        raise SetupError(f"the adapters are of different base models: {', '.join(bases)}")
    return configs


def forms_learnt(adapters: Sequence[Path]) -> dict[TaskType, Form]:
    """The forms that all the adapters were trained in.

    Raises:
        SetupError: they were trained in different ones.
    """
    forms = own_forms(adapters[0])
    for path in adapters[1:]:
        if (other := own_forms(path)) != forms:
            raise SetupError(
                f"{adapters[0]} was trained in the form {told(forms)}, and {path} in {told(other)}: adapters of one "
                "form go together; train one of them again"
            )
    return forms


def _check(adapters: Sequence[Path], weights: Sequence[float], how: Combination, output: Path) -> list[dict[str, Any]]:
    configs = check_adapters(adapters)
    if len(weights) != len(adapters):
        raise SetupError(f"{len(adapters)} adapters need as many weights, not {len(weights)}")
    ranks = [int(config["r"]) for config in configs]
    if how.method in SAME_RANK and len(set(ranks)) > 1:
        raise SetupError(f"{how.method} needs one rank, and these are {', '.join(map(str, ranks))}; use cat or svd")
    if not 0 < how.density <= 1:
        raise SetupError(f"the density must be above 0 and at most 1, not {how.density}")
    refuse_to_replace(output, ADAPTER, overwrite=None)
    return configs


def _weightless(model: str) -> PreTrainedModel:
    """The base's modules with the right shapes, each weight a single zero: a 72B model takes no room."""
    try:
        config = AutoConfig.from_pretrained(model)
    except (OSError, ValueError) as error:
        raise SetupError(
            f"{model}: cannot read the base model's configuration; say where it is with --model"
        ) from error
    with torch.device("meta"):
        network: PreTrainedModel = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    for module in network.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            zeros = torch.zeros(1).expand(parameter.shape)
            setattr(module, name, nn.Parameter(zeros, requires_grad=False))
    return network


def _save(network: PeftModel, output: Path, summary: dict[str, Any], forms: Mapping[TaskType, Form]) -> None:
    with whole_folder(output, ADAPTER, overwrite=None) as made, saving(output):
        # PEFT makes a folder of the adapter's name.
        network.save_pretrained(str(made), selected_adapters=[COMBINED])
        for path in (made / COMBINED).iterdir():
            path.rename(made / path.name)
        (made / COMBINED).rmdir()
        (made / SUMMARY).write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
        write_forms(made, forms)
