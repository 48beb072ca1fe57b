"""W8A8: what is stored is the weights to half a step, and smoothing changes no output."""

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from app.checkpoints.answering import DATA, encoded_prompts, read_samples
from app.checkpoints.folder import Output
from app.checkpoints.int8 import Int8, activation_maxima, rounded, row_scales, smoothing_factors
from app.checkpoints.quantize import quantize
from app.checkpoints.tensors import CheckpointTensors
from app.errors import InputError
from tests.checkpoints.conftest import set_config

SAMPLES = read_samples(DATA, 6)
QUERY = "model.layers.1.self_attn.q_proj.weight"
NORM = "model.layers.1.input_layernorm.weight"


@given(st.lists(st.lists(st.floats(-100, 100, width=32), min_size=3, max_size=3), min_size=1, max_size=5))
def test_rounding_is_within_half_a_step(rows: list[list[float]]) -> None:
    weight = torch.tensor(rows)
    scales = row_scales(weight)
    restored = rounded(weight).float() * scales
    assert ((restored - weight).abs() <= scales / 2 * (1 + 1e-5)).all()


@pytest.mark.parametrize("smoothing", [0.0, 0.5])
def test_the_stored_model_is_the_model_to_half_a_step(checkpoint: Path, tmp_path: Path, smoothing: float) -> None:
    out = tmp_path / "w8"
    bytes_before, bytes_after = quantize(checkpoint, Output(out), SAMPLES, Int8(smoothing))

    assert bytes_after < bytes_before
    before, after = CheckpointTensors(checkpoint), CheckpointTensors(out)
    assert after.plans[QUERY].dtype is torch.int8
    restored = after.read(QUERY).float() * after.read(QUERY + "_scale")
    # Folded back, the factor of the normalisation takes the factor of the columns away again.
    factor = before.read(NORM) / after.read(NORM)
    original = before.read(QUERY)
    assert ((restored / factor - original).abs() <= after.read(QUERY + "_scale") / factor * 0.51).all()
    assert bool((factor != 1).any()) is (smoothing > 0)
    assert torch.equal(after.read("model.embed_tokens.weight"), before.read("model.embed_tokens.weight"))
    config = json.loads((out / "config.json").read_text())["quantization_config"]
    assert (config["quant_method"], config["format"], config["ignore"]) == (
        "compressed-tensors",
        "int-quantized",
        ["lm_head"],
    )


def test_smoothing_keeps_what_the_model_computes(checkpoint: Path) -> None:
    from app.checkpoints.network import load_network

    prompts = encoded_prompts(SAMPLES, checkpoint, 1024)
    network = load_network(checkpoint)
    with torch.inference_mode():
        wanted = network(torch.tensor([prompts[0]])).logits
    factors = smoothing_factors(CheckpointTensors(checkpoint), activation_maxima(network, prompts), 0.5)
    assert len(factors) == 2 * (1 + 3 + 1 + 2)
    parameters = dict(network.named_parameters())
    with torch.no_grad():
        for name, factor in factors.items():
            parameters[name].copy_(parameters[name] / factor if "norm" in name else parameters[name] * factor)
        smoothed = network(torch.tensor([prompts[0]])).logits
    assert torch.allclose(smoothed, wanted, atol=1e-3 * float(wanted.abs().max()))


def test_maxima_are_over_all_prompts(checkpoint: Path) -> None:
    from app.checkpoints.network import load_network

    prompts = encoded_prompts(SAMPLES, checkpoint, 1024)
    network = load_network(checkpoint)
    every, first = activation_maxima(network, prompts), activation_maxima(network, prompts[:1])
    assert set(every) == {
        f"model.layers.{layer}.{norm}" for layer in (0, 1) for norm in ("input_layernorm", "post_attention_layernorm")
    }
    assert all((every[name] >= first[name]).all() for name in every)
    assert any((every[name] > first[name]).any() for name in every)


def test_what_cannot_be_smoothed_or_is_quantized_is_refused(copied: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="between 0 and 1"):
        quantize(copied, Output(tmp_path / "out"), SAMPLES, Int8(1.5))
    set_config(copied, model_type="gemma")
    with pytest.raises(InputError, match="--smoothing 0"):
        quantize(copied, Output(tmp_path / "out"), SAMPLES, Int8())
    set_config(copied, model_type="qwen2", quantization_config={"quant_method": "gptq"})
    with pytest.raises(InputError, match="is quantized"):
        quantize(copied, Output(tmp_path / "out"), SAMPLES, Int8())
    assert [path.name for path in tmp_path.iterdir()] == ["copied"]
