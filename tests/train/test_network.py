import os
from pathlib import Path

import pytest
import torch

from app.errors import SetupError
from app.train.network import Precision, choose_precision, free_cores
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
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": bfloat16})
    config = FinetuneConfig.model_validate({"model": "m", "train": "t", "output": "o"} | settings)
    assert choose_precision(config) == Precision(compute, weights)


def test_cores_that_others_use_are_not_free(monkeypatch: pytest.MonkeyPatch) -> None:
    #                 user nice system idle iowait irq softirq steal
    before = "cpu 0 0 0 0 0 0 0 0\ncpu0 0 0 0 100 0 0 0 0\ncpu1 50 0 50 0 0 0 0 0\ncpu2 0 0 0 0 0 0 0 0\nintr 1"
    after = "cpu 0 0 0 0 0 0 0 0\ncpu0 0 0 0 150 40 0 0 0\ncpu1 90 10 100 0 0 0 0 0\ncpu2 99 0 0 1 0 0 0 0\nintr 1"
    for cores, free in (({0, 1, 2}, 1), ({0}, 1), ({1, 2}, 1), (set(), 1)):
        texts = iter((before, after))
        monkeypatch.setattr(Path, "read_text", lambda _, texts=texts: next(texts))
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, cores=cores: cores)
        assert free_cores(0) == free, cores
    texts = iter((before, before))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2})
    monkeypatch.setattr(Path, "read_text", lambda _: next(texts))
    assert free_cores(0) == 3


def test_qlora_without_bfloat16_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: False)
    config = FinetuneConfig.model_validate({"model": "m", "train": "t", "output": "o", "method": "qlora"})
    with pytest.raises(SetupError, match="qlora trains its adapter in bfloat16, which this GPU has not"):
        choose_precision(config)
