import json
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM

from app.errors import SetupError
from app.train.adapters import METHODS, Combination, combine

IDS = torch.arange(3, 40)[None]


def make_adapter(checkpoint: Path, folder: Path, seed: int, rank: int = 4, *, rslora: bool = False) -> Path:
    """An adapter whose every factor is random, so that each has an effect."""
    torch.manual_seed(seed)
    base = AutoModelForCausalLM.from_pretrained(checkpoint)
    config = LoraConfig(
        r=rank, lora_alpha=2 * rank, target_modules="all-linear", use_rslora=rslora, task_type="CAUSAL_LM"
    )
    network = get_peft_model(base, config)
    for name, parameter in network.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    network.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def adapters(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("adapters")
    return [make_adapter(checkpoint, folder / name, seed) for seed, name in enumerate(("concepts", "reasoning"))]


def updates(checkpoint: Path, adapter: Path) -> dict[str, torch.Tensor]:
    """What the adapter adds to each weight matrix."""
    network = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(checkpoint), adapter)
    return {
        name: module.get_delta_weight("default").detach()
        for name, module in network.named_modules()
        if hasattr(module, "get_delta_weight") and "default" in module.lora_A
    }


def test_cat_is_the_weighted_sum_whatever_the_ranks_and_scales(checkpoint: Path, tmp_path: Path) -> None:
    first = make_adapter(checkpoint, tmp_path / "a", 0, rank=4, rslora=True)
    second = make_adapter(checkpoint, tmp_path / "b", 1, rank=8)
    told = combine([first, second], [0.7, -0.2], Combination("cat"), tmp_path / "both")
    one, other, both = (updates(checkpoint, path) for path in (first, second, tmp_path / "both"))
    assert told["rank"] == 12
    assert both.keys() == one.keys()
    for name, update in both.items():
        assert torch.allclose(update, 0.7 * one[name] - 0.2 * other[name], atol=1e-5)
    assert json.loads((tmp_path / "both" / "combination.json").read_text()) == told


def test_svd_is_the_best_of_its_rank(checkpoint: Path, adapters: list[Path], tmp_path: Path) -> None:
    combine(adapters, [0.5, 0.5], Combination("cat"), tmp_path / "exact")
    errors = []
    for rank in (2, 4, 8):
        combine(adapters, [0.5, 0.5], Combination("svd", rank=rank), tmp_path / f"svd{rank}")
        exact, near = updates(checkpoint, tmp_path / "exact"), updates(checkpoint, tmp_path / f"svd{rank}")
        errors.append(sum(float((exact[name] - near[name]).norm()) for name in exact))
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 1e-3


@pytest.mark.parametrize("method", METHODS)
def test_every_method_writes_an_adapter_that_loads(
    checkpoint: Path, adapters: list[Path], tmp_path: Path, method: str
) -> None:
    how = next(known for known in METHODS if known == method)
    told = combine(adapters, [0.5, 0.5], Combination(how), tmp_path / "out")
    assert [entry["weight"] for entry in told["adapters"]] == [0.5, 0.5]
    config = json.loads((tmp_path / "out" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == str(checkpoint)
    assert any(float(update.abs().max()) > 0 for update in updates(checkpoint, tmp_path / "out").values())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_what_does_not_fit_is_one_line(checkpoint: Path, adapters: list[Path], tmp_path: Path) -> None:
    wider = make_adapter(checkpoint, tmp_path / "wider", 2, rank=8)
    stranger = make_adapter(checkpoint, tmp_path / "stranger", 2)
    config = json.loads((stranger / "adapter_config.json").read_text())
    (stranger / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": "another"}))
    out = tmp_path / "out"
    for listed, weights, how, says in (
        (adapters[:1], [1.0], Combination(), "name two adapters or more"),
        (adapters, [1.0], Combination(), "2 adapters need as many weights, not 1"),
        ([*adapters, tmp_path], [1.0] * 3, Combination(), "holds no adapter_config.json"),
        ([*adapters, stranger], [1.0] * 3, Combination(), "of different base models: .*another"),
        ([adapters[0], wider], [1.0] * 2, Combination("linear"), "linear needs one rank, and these are 4, 8"),
        (adapters, [1.0] * 2, Combination("ties", density=0), "density must be above 0"),
    ):
        with pytest.raises(SetupError, match=says):
            combine(listed, weights, how, out)
    assert not out.exists()
    with pytest.raises(SetupError, match="holds something else than a combined adapter"):
        combine(adapters, [1.0] * 2, Combination(), wider)
