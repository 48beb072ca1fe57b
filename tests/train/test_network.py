import pytest
import torch

from app.errors import SetupError
from app.train.network import Precision, choose_precision
from app.train.recipe import FinetuneConfig


@pytest.mark.parametrize(
    ("gpu", "bfloat16", "settings", "compute", "weights"),
    [
        (True, True, {}, torch.bfloat16, torch.bfloat16),
        (True, False, {}, torch.float16, torch.float16),
        (True, True, {"method": "full"}, torch.bfloat16, torch.float32),
        (True, True, {"precision": "float32"}, torch.float32, torch.float32),
        (True, False, {"device": "cpu"}, torch.float32, torch.float32),
        (True, True, {"device": "cpu"}, torch.bfloat16, torch.bfloat16),
        (False, False, {}, torch.float32, torch.float32),
        (False, True, {}, torch.bfloat16, torch.bfloat16),
        (False, False, {"precision": "bfloat16", "method": "full"}, torch.bfloat16, torch.float32),
    ],
)
def test_the_number_format_follows_the_machine(
    monkeypatch: pytest.MonkeyPatch,
    gpu: bool,
    bfloat16: bool,
    settings: dict[str, str],
    compute: torch.dtype,
    weights: torch.dtype,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: bfloat16)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": bfloat16})
    config = FinetuneConfig.model_validate({"model": "m", "train": "t", "output": "o"} | settings)
    assert choose_precision(config) == Precision(compute, weights)


def test_qlora_without_bfloat16_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: False)
    config = FinetuneConfig.model_validate({"model": "m", "train": "t", "output": "o", "method": "qlora"})
    with pytest.raises(SetupError, match="qlora trains its adapter in bfloat16, which this GPU has not"):
        choose_precision(config)
