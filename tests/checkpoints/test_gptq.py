"""W4A16 with the real library, where it is installed; what it cannot do is refused before it starts."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch

from app.checkpoints.answering import DATA, read_samples
from app.checkpoints.folder import Output
from app.checkpoints.gptq import Gptq
from app.checkpoints.quantize import quantize
from app.checkpoints.tensors import CheckpointTensors
from app.errors import InputError, SetupError
from tests.checkpoints.conftest import set_config

SAMPLES = read_samples(DATA, 6)
HAS_GPTQMODEL = importlib.util.find_spec("gptqmodel") is not None


@pytest.mark.skipif(not HAS_GPTQMODEL, reason="gptqmodel is not installed here: see docs/dependencies.md")
def test_the_library_quantizes(checkpoint: Path, tmp_path: Path) -> None:
    before, after = quantize(checkpoint, Output(tmp_path / "w4"), SAMPLES, Gptq(32))
    assert after < before
    plans = CheckpointTensors(tmp_path / "w4").plans
    assert plans["model.layers.0.mlp.up_proj.qweight"].shape == (64 // 8, 128)
    assert plans["model.embed_tokens.weight"].dtype is torch.float32
    config = json.loads((tmp_path / "w4" / "config.json").read_text())["quantization_config"]
    assert (config["bits"], config["group_size"], config["quant_method"]) == (4, 32, "gptq")
    assert not (tmp_path / "w4" / "gptq").exists()


@pytest.mark.skipif(HAS_GPTQMODEL, reason="gptqmodel is installed here")
def test_a_missing_library_is_named_with_the_fix(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"needs gptqmodel.*\[quantize\].*--python"):
        quantize(checkpoint, Output(tmp_path / "out"), SAMPLES, Gptq(32))
    assert not list(tmp_path.iterdir())


def test_a_python_that_is_not_there_is_named(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="cannot run /nowhere/python"):
        quantize(checkpoint, Output(tmp_path / "out"), SAMPLES, Gptq(32, python=Path("/nowhere/python")))
    assert not list(tmp_path.iterdir())


def test_groups_that_do_not_divide_are_refused_with_the_fix(copied: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="one of 32, 64, 128"):
        quantize(copied, Output(tmp_path / "out"), SAMPLES, Gptq(48))
    with pytest.raises(InputError, match="hidden_size 64 is no multiple .* use a group size of 32 or 64"):
        quantize(copied, Output(tmp_path / "out"), SAMPLES, Gptq(128))
    set_config(copied, intermediate_size=120)
    with pytest.raises(InputError, match="checkpoint pad --group-size 32"):
        quantize(copied, Output(tmp_path / "out"), SAMPLES, Gptq(32))
