"""A padded checkpoint computes the same; what padding cannot mend is refused with the reason."""

import json
from pathlib import Path

import pytest

from app.checkpoints.answering import DATA, encoded_prompts, read_samples
from app.checkpoints.folder import Output
from app.checkpoints.network import compare_logits, last_logits, load_network
from app.checkpoints.pad import check_even, pad_checkpoint, padded_size
from app.checkpoints.tensors import CheckpointTensors
from app.errors import InputError
from tests.checkpoints.conftest import set_config

SHAPE = {"num_attention_heads": 64, "num_key_value_heads": 8, "hidden_size": 8192}


def test_the_logits_stay(copied: Path, tmp_path: Path) -> None:
    narrow = narrowed(copied, 120)
    width = pad_checkpoint(narrow, Output(tmp_path / "out"), tensor_parallel=2, group=32)
    assert width == 128
    assert json.loads((tmp_path / "out" / "config.json").read_text())["intermediate_size"] == 128
    prompts = encoded_prompts(read_samples(DATA, 4), narrow, 1024)
    before, after = last_logits(load_network(narrow), prompts), last_logits(load_network(tmp_path / "out"), prompts)
    # Zeros change no sum; the library may add the others in another order.
    assert compare_logits(before, after).relative < 1e-6
    down = CheckpointTensors(tmp_path / "out").read("model.layers.0.mlp.down_proj.weight")
    assert down.shape == (64, 128)
    assert not down[:, 120:].any()


def narrowed(folder: Path, width: int) -> Path:
    """The checkpoint with the first units of its MLP only."""
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    for name, tensor in tensors.items():
        if ".mlp." in name:
            tensors[name] = (tensor[:, :width] if "down_proj" in name else tensor[:width]).clone()
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    set_config(folder, intermediate_size=width)
    return folder


def test_sizes_of_published_models() -> None:
    assert padded_size(29568, 4, 128) == 29696
    assert padded_size(29568, 8, 128) == 29696
    assert padded_size(18944, 4, 128) == 18944


@pytest.mark.parametrize(
    ("change", "parallel", "group", "says"),
    [
        ({"num_attention_heads": 28}, 8, 64, "28 attention heads do not split over 8 GPUs"),
        ({"num_key_value_heads": 6}, 4, 64, "6 key-value heads"),
        ({"hidden_size": 8256}, 1, 128, "hidden_size 8256 is no multiple"),
        ({"num_attention_heads": 8, "head_dim": 80}, 8, 128, "80 attention outputs"),
    ],
)
def test_what_padding_cannot_mend_is_refused(change: dict[str, int], parallel: int, group: int, says: str) -> None:
    with pytest.raises(InputError, match=says):
        check_even(SHAPE | change, parallel, group)


def test_other_mlps_and_even_ones_are_refused(checkpoint: Path, copied: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs no padding"):
        pad_checkpoint(checkpoint, Output(tmp_path / "out"), tensor_parallel=2, group=32)
    set_config(copied, hidden_act="softplus")
    with pytest.raises(InputError, match="softplus"):
        pad_checkpoint(copied, Output(tmp_path / "out"), tensor_parallel=2, group=32)
    set_config(copied, hidden_act="silu", num_hidden_layers=3)
    with pytest.raises(InputError, match="mixtures of experts"):
        pad_checkpoint(copied, Output(tmp_path / "out"), tensor_parallel=2, group=32)
    assert [path.name for path in tmp_path.iterdir()] == ["copied"]
