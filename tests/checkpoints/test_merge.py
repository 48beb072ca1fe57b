"""A merged checkpoint answers as base + adapter, and an adapter of another base is refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from app.checkpoints.answering import DATA, encoded_prompts, read_samples
from app.checkpoints.folder import Output, read_lineage
from app.checkpoints.merge import merge_adapter
from app.checkpoints.network import compare_logits, last_logits, load_network, with_adapter
from app.checkpoints.tensors import CheckpointTensors
from app.errors import InputError, SetupError
from app.files import sha256
from app.jobs.identity import folder_revision
from tests.checkpoints.conftest import make_lora

SAMPLES = read_samples(DATA, 4)


def test_the_merged_checkpoint_answers_as_base_and_adapter(checkpoint: Path, lora: Path, tmp_path: Path) -> None:
    out = tmp_path / "merged"
    saved = merge_adapter(checkpoint, lora, Output(out, shard_bytes=200_000), SAMPLES, dtype="float32")

    assert saved.relative < 1e-5
    assert saved.same_top == 1.0
    prompts = encoded_prompts(SAMPLES, checkpoint, 1024)
    plain = last_logits(load_network(checkpoint), prompts)
    adapted = last_logits(with_adapter(load_network(checkpoint), lora), prompts)
    assert compare_logits(plain, adapted).relative > 0.05, "the adapter must change something"
    assert compare_logits(adapted, last_logits(load_network(out), prompts)).relative < 1e-5
    assert len(list(out.glob("*.safetensors"))) > 1
    assert (out / "chat_template.jinja").read_bytes() == (checkpoint / "chat_template.jinja").read_bytes()
    (step,) = read_lineage(out).steps
    assert step.step == "merge"
    assert {one.role: one.revision for one in step.inputs} == {
        "base": folder_revision(checkpoint),
        "adapter": folder_revision(lora),
    }


def test_rounding_is_measured_and_named(checkpoint: Path, lora: Path, tmp_path: Path) -> None:
    saved = merge_adapter(checkpoint, lora, Output(tmp_path / "half"), SAMPLES, dtype="bfloat16")
    assert 1e-5 < saved.relative < 6e-2
    assert {plan.dtype for plan in CheckpointTensors(tmp_path / "half").plans.values()} == {torch.bfloat16}
    assert json.loads((tmp_path / "half" / "config.json").read_text())["dtype"] == "bfloat16"


@pytest.mark.parametrize(
    "settings",
    [
        {"use_rslora": True},
        {"alpha_pattern": {"q_proj": 2, r"layers\.1\.mlp\.\w+": 40}, "rank_pattern": {"v_proj": 2}},
    ],
)
def test_products_are_scaled_as_peft_scales_them(checkpoint: Path, tmp_path: Path, settings: dict[str, object]) -> None:
    merge_adapter(checkpoint, make_lora(checkpoint, tmp_path / "lora", **settings), Output(tmp_path / "out"), SAMPLES)

    adapted: Any = with_adapter(load_network(checkpoint), tmp_path / "lora")
    wanted = adapted.merge_and_unload().state_dict()
    for name, tensor in load_network(tmp_path / "out").state_dict().items():
        torch.testing.assert_close(tensor, wanted[name], rtol=2**-8, atol=1e-6)


def test_the_same_files_make_the_same_bytes_whatever_the_order_of_adding(
    checkpoint: Path, lora: Path, tmp_path: Path
) -> None:
    reversed_order = shutil.copytree(lora, tmp_path / "reversed")
    pairs = load_file(lora / "adapter_model.safetensors")
    # A pair's products can be summed from either end: the rank's order is no property of the adapter.
    save_file(
        {name: (pair.flip(0) if "lora_A" in name else pair.flip(1)).contiguous() for name, pair in pairs.items()},
        reversed_order / "adapter_model.safetensors",
    )
    for name, adapter in (("one", lora), ("two", reversed_order)):
        merge_adapter(checkpoint, adapter, Output(tmp_path / name), SAMPLES)

    assert sha256(tmp_path / "one" / "model.safetensors") == sha256(tmp_path / "two" / "model.safetensors")


def test_what_is_more_than_pairs_of_matrices_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    adapter = make_lora(checkpoint, tmp_path / "dora", use_dora=True)

    with pytest.raises(SetupError, match=r"more than LoRA's pairs of matrices do \(use_dora"):
        merge_adapter(checkpoint, adapter, Output(tmp_path / "out"), SAMPLES)

    assert not (tmp_path / "out").exists()


def test_an_adapter_of_another_shape_is_refused(checkpoint: Path, lora: Path, tmp_path: Path) -> None:
    other = shutil.copytree(lora, tmp_path / "other")
    weights = load_file(other / "adapter_model.safetensors")
    name = next(name for name in weights if "q_proj.lora_A" in name)
    save_file({**weights, name: torch.ones(4, 48)}, other / "adapter_model.safetensors")
    with pytest.raises(SetupError, match="another base .* has inputs of 48 where .* has 64"):
        merge_adapter(checkpoint, other, Output(tmp_path / "out"), SAMPLES)
    save_file(
        {name.replace("layers.1", "layers.7"): tensor for name, tensor in weights.items()},
        other / "adapter_model.safetensors",
    )
    with pytest.raises(SetupError, match=r"adapts model\.layers\.7.* has not"):
        merge_adapter(checkpoint, other, Output(tmp_path / "out"), SAMPLES)
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_the_record_of_the_training_names_the_base(checkpoint: Path, tuned: Path, lora: Path, tmp_path: Path) -> None:
    recorded = shutil.copytree(lora, tmp_path / "recorded")
    (recorded / "training.json").write_text(json.dumps({"model_revision": folder_revision(checkpoint)}))
    with pytest.raises(InputError, match="--another-base"):
        merge_adapter(tuned, recorded, Output(tmp_path / "out"), SAMPLES)
    merge_adapter(checkpoint, recorded, Output(tmp_path / "right"), SAMPLES)
    assert (tmp_path / "right" / "training.json").is_file()
    merge_adapter(tuned, recorded, Output(tmp_path / "meant"), SAMPLES, another_base=True)


def test_what_is_no_adapter_is_refused(checkpoint: Path, lora: Path, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"adapter_config\.json"):
        merge_adapter(checkpoint, tmp_path, Output(tmp_path / "out"), SAMPLES)
    other = shutil.copytree(lora, tmp_path / "other")
    config = json.loads((other / "adapter_config.json").read_text())
    (other / "adapter_config.json").write_text(json.dumps(config | {"peft_type": "PREFIX_TUNING"}))
    with pytest.raises(SetupError, match="only LORA adapters"):
        merge_adapter(checkpoint, other, Output(tmp_path / "out"), SAMPLES)


def test_a_pair_whose_matrix_is_not_there_is_not_left_out(checkpoint: Path, lora: Path, tmp_path: Path) -> None:
    other = shutil.copytree(lora, tmp_path / "other")
    pair = {"A": torch.ones(4, 64), "B": torch.ones(704, 4)}
    save_file(
        {f"base_model.model.lm_head.lora_{k}.weight": one for k, one in pair.items()},
        other / "adapter_model.safetensors",
    )
    with pytest.raises(InputError, match="adapts lm_head, whose matrix .* does not hold"):
        merge_adapter(checkpoint, other, Output(tmp_path / "out"), SAMPLES)
