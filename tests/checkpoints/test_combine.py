"""Interpolation, averages and arcs: the mathematics, the files, and what is refused."""

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from app.checkpoints.combine import Combination, average, combine, interpolation, slerp, spherical
from app.checkpoints.folder import Output, read_lineage
from app.checkpoints.tensors import CheckpointTensors
from app.errors import InputError, SetupError
from tests.checkpoints.conftest import set_config

vectors = st.lists(st.floats(-5, 5, width=32), min_size=4, max_size=4).map(torch.tensor)


@given(first=vectors, second=vectors, t=st.floats(0, 1))
def test_slerp_keeps_the_ends_and_turns_evenly(first: torch.Tensor, second: torch.Tensor, t: float) -> None:
    assert torch.allclose(slerp(first, second, 0.0), first, atol=1e-5)
    assert torch.allclose(slerp(first, second, 1.0), second, atol=1e-5)
    assert torch.isfinite(slerp(first, second, t)).all()
    one, two = torch.nn.functional.normalize(first, dim=0), torch.nn.functional.normalize(second, dim=0)
    cosine = float(one.dot(two))
    if first.norm() > 0.1 and second.norm() > 0.1 and abs(cosine) < 0.99:
        mixed = slerp(one, two, t)
        angle = math.acos(cosine)
        assert float(mixed.norm()) == pytest.approx(1.0, abs=1e-4)
        assert math.acos(max(-1.0, min(1.0, float(mixed.dot(one))))) == pytest.approx(t * angle, abs=2e-3)


def test_nearly_parallel_tensors_are_combined_linearly() -> None:
    first = torch.tensor([1.0, 0.0])
    second = torch.tensor([2.0, 1e-4])
    assert torch.equal(slerp(first, second, 0.25), torch.lerp(first, second, 0.25))
    assert torch.equal(slerp(torch.zeros(2), second, 0.5), second / 2)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_interpolation_is_on_the_line_and_exact_at_its_ends(
    checkpoint: Path, tuned: Path, tmp_path: Path, alpha: float
) -> None:
    out = tmp_path / "out"
    combine([checkpoint, tuned], Output(out, shard_bytes=100_000), interpolation(alpha))

    assert len(list(out.glob("*.safetensors"))) > 1
    base, other, mixed = CheckpointTensors(checkpoint), CheckpointTensors(tuned), CheckpointTensors(out)
    assert mixed.plans == base.plans
    for name in base.plans:
        wanted = base.read(name).double() + alpha * (other.read(name).double() - base.read(name).double())
        if alpha in (0.0, 1.0):
            assert torch.equal(mixed.read(name), (base, other)[int(alpha)].read(name))
        else:
            assert torch.allclose(mixed.read(name).double(), wanted, atol=1e-6)
    (step,) = read_lineage(out).steps
    assert (step.step, step.settings["alpha"]) == ("interpolate", alpha)
    assert [one.role for one in step.inputs] == ["base", "tuned"]
    assert step.inputs[0].revision != step.inputs[1].revision


def test_an_average_weighs_its_parts(checkpoint: Path, tuned: Path, tmp_path: Path) -> None:
    combine([checkpoint, tuned, tuned], Output(tmp_path / "out"), average([2, 1, 1]))
    base, other, mixed = CheckpointTensors(checkpoint), CheckpointTensors(tuned), CheckpointTensors(tmp_path / "out")
    name = "model.layers.0.mlp.up_proj.weight"
    assert torch.allclose(mixed.read(name), (base.read(name) + other.read(name)) / 2, atol=1e-6)


def test_a_combined_checkpoint_loads_and_answers(checkpoint: Path, tuned: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    combine([checkpoint, tuned], Output(tmp_path / "out"), spherical(0.5))
    network = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert tokenizer.chat_template
    ids = tokenizer("A cotton shirt", return_tensors="pt")["input_ids"]
    assert torch.isfinite(network(ids).logits).all()
    assert (tmp_path / "out" / "generation_config.json").is_file()


def test_an_interpolation_carries_on_the_tuned_one_and_other_mixtures_the_first(
    checkpoint: Path, copied: Path, tmp_path: Path
) -> None:
    (copied / "training.json").write_text('{"model": "base"}')
    combine([checkpoint, copied], Output(tmp_path / "line"), interpolation(0.5))
    combine([checkpoint, copied], Output(tmp_path / "mean"), average([1, 1]))
    assert (tmp_path / "line" / "training.json").read_text() == '{"model": "base"}'
    assert not (tmp_path / "mean" / "training.json").exists()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: interpolation(1.2), "alpha must be between 0 and 1"),
        (lambda: interpolation(float("nan")), "alpha must be between 0 and 1"),
        (lambda: spherical(-0.1), "t must be between 0 and 1"),
        (lambda: average([1.0]), "two checkpoints or more"),
        (lambda: average([1.0, -1.0]), "at least 0"),
        (lambda: average([0.0, 0.0]), "not all 0"),
    ],
)
def test_numbers_out_of_range_are_refused(make: "object", says: str) -> None:
    assert callable(make)
    with pytest.raises(InputError, match=says):
        make()


def test_checkpoints_that_do_not_fit_are_refused(checkpoint: Path, copied: Path, tmp_path: Path) -> None:
    set_config(copied, vocab_size=640)
    refuse(checkpoint, copied, tmp_path, "vocab_size is 704 and 640")
    set_config(copied, vocab_size=704, model_type="llama")
    refuse(checkpoint, copied, tmp_path, "model_type is 'qwen2' and 'llama'")
    set_config(copied, model_type="qwen2", quantization_config={"quant_method": "gptq"})
    refuse(checkpoint, copied, tmp_path, "is quantized")


def test_tensors_that_differ_are_named(checkpoint: Path, copied: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(copied / "model.safetensors")
    name = "model.layers.1.self_attn.k_proj.weight"
    save_file({**tensors, name: tensors[name][:-1].clone()}, copied / "model.safetensors")
    refuse(checkpoint, copied, tmp_path, f"{name} is 32 x 64 in .* and 31 x 64")
    del tensors[name]
    save_file(tensors, copied / "model.safetensors")
    refuse(checkpoint, copied, tmp_path, f"has the tensor {name} and .* has not")


def test_another_vocabulary_is_refused(checkpoint: Path, copied: Path, tmp_path: Path) -> None:
    text = (copied / "tokenizer.json").read_text()
    (copied / "tokenizer.json").write_text(text.replace("<|im_start|>", "<|other|>"))
    refuse(checkpoint, copied, tmp_path, "different vocabularies")


def test_a_folder_that_is_there_is_kept(checkpoint: Path, tuned: Path, copied: Path, tmp_path: Path) -> None:
    before = (copied / "config.json").read_bytes()
    with pytest.raises(SetupError, match="--overwrite"):
        combine([checkpoint, tuned], Output(copied), interpolation(0.5))
    assert (copied / "config.json").read_bytes() == before
    combine([checkpoint, tuned], Output(copied, overwrite=True), interpolation(1.0))
    name = "model.norm.weight"
    assert torch.equal(CheckpointTensors(copied).read(name), CheckpointTensors(tuned).read(name))
    other = tmp_path / "papers"
    other.mkdir()
    (other / "letter.txt").write_text("keep me")
    with pytest.raises(SetupError, match="something else"):
        combine([checkpoint, tuned], Output(other, overwrite=True), interpolation(0.5))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copied", "papers"]


def refuse(first: Path, second: Path, place: Path, says: str) -> None:
    rule: Combination = interpolation(0.5)
    with pytest.raises(InputError, match=says):
        combine([first, second], Output(place / "refused"), rule)
    assert not list(place.glob("*refused*"))
