"""Tensors written one at a time are read back, by this project and by the library."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from app.checkpoints.tensors import DTYPES, CheckpointTensors, TensorPlan, write_tensors
from app.errors import InputError, SetupError

FORMATS = [torch.float32, torch.float16, torch.bfloat16, torch.int8, torch.int64, torch.bool]


@settings(max_examples=30)
@given(
    shapes=st.lists(
        st.tuples(st.sampled_from(FORMATS), st.lists(st.integers(0, 5), max_size=3)), min_size=1, max_size=8
    ),
    shard_bytes=st.sampled_from([1, 40, 300, 10**9]),
)
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory,
    shapes: list[tuple[torch.dtype, list[int]]],
    shard_bytes: int,
) -> None:
    folder = tmp_path_factory.mktemp("shards")
    generator = torch.Generator().manual_seed(0)
    tensors = {
        f"layer.{number}": (torch.randn(shape, generator=generator) * 10).to(dtype)
        for number, (dtype, shape) in enumerate(shapes)
    }
    plans = [TensorPlan(name, tensor.dtype, tuple(tensor.shape)) for name, tensor in tensors.items()]
    asked: list[str] = []

    def compute(name: str) -> torch.Tensor:
        asked.append(name)
        return tensors[name]

    write_tensors(folder, plans, compute, shard_bytes=shard_bytes)

    assert sorted(asked) == sorted(tensors)
    read = CheckpointTensors(folder)
    assert read.plans.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert torch.equal(read.read(name), tensor)
    by_library: dict[str, torch.Tensor] = {}
    for file in folder.glob("*.safetensors"):
        by_library |= load_file(file)
    assert all(torch.equal(by_library[name], tensor) for name, tensor in tensors.items())


def test_no_file_is_larger_than_asked_unless_one_tensor_is(tmp_path: Path) -> None:
    plans = [TensorPlan(str(number), torch.float32, (16,)) for number in range(10)]
    write_tensors(tmp_path, plans, lambda _: torch.ones(16), shard_bytes=200)
    sizes = [sum(len(tensor) * 4 for tensor in load_file(file).values()) for file in tmp_path.glob("*.safetensors")]
    assert len(sizes) == 4
    assert max(sizes) <= 200


def test_a_tensor_of_another_shape_than_planned_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="where \\(3,\\) was planned"):
        write_tensors(tmp_path, [TensorPlan("a", torch.float32, (3,))], lambda _: torch.ones(2))


def test_weights_that_are_missing_or_damaged_are_named(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"has no model\.safetensors"):
        CheckpointTensors(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"not a header")
    with pytest.raises(SetupError, match="damaged or incomplete"):
        CheckpointTensors(tmp_path)
    (tmp_path / "model.safetensors.index.json").write_text('{"weight_map": {"a": "part-1.safetensors"}}')
    with pytest.raises(SetupError, match=r"has no part-1\.safetensors"):
        CheckpointTensors(tmp_path)


def test_a_cut_file_is_named(tmp_path: Path) -> None:
    save_file({"a": torch.ones(1000)}, tmp_path / "model.safetensors")
    whole = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(whole[:-100])
    with pytest.raises(SetupError, match="copy it again"):
        CheckpointTensors(tmp_path)


def test_the_usual_number_formats_are_known() -> None:
    assert {str(dtype) for dtype in FORMATS} <= {str(dtype) for dtype in DTYPES.values()}
