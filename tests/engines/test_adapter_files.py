"""An adapter that no engine can serve is one line at load: found by a request, it would end the engine for everyone."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from app.engines.adapter_files import check_adapter, largest_rank
from app.engines.loading import create_async_engine, create_engine
from app.errors import SetupError

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"


def configured(**fields: object) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        path = folder / CONFIG
        path.write_text(json.dumps(json.loads(path.read_text()) | fields))

    return change


def with_tensors(
    change: Callable[[str, np.ndarray], tuple[str, np.ndarray]], **more: np.ndarray
) -> Callable[[Path], object]:
    """Each tensor as the function has it, and others."""

    def rewrite(folder: Path) -> None:
        changed = dict(change(name, tensor) for name, tensor in load_file(folder / WEIGHTS).items())
        save_file(
            changed | {f"base_model.model.{name.replace('/', '.')}": one for name, one in more.items()},
            folder / WEIGHTS,
        )

    return rewrite


def cut(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-100])


def wider(name: str, tensor: np.ndarray) -> tuple[str, np.ndarray]:
    return name, np.ones((4, 96), np.float32) if "lora_A" in name else tensor


def longer(name: str, tensor: np.ndarray) -> tuple[str, np.ndarray]:
    return name, np.ones((96, 4), np.float32) if "q_proj.lora_B" in name else tensor


ONE = np.ones(4, np.float32)
FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "modules_to_save": (configured(modules_to_save=["lm_head"]), r"\(modules_to_save\): merge it into its base with"),
    "DoRA": (configured(use_dora=True), r"\(use_dora\): merge it"),
    "a bias": (configured(bias="all"), r"\(bias: all\): merge it"),
    "a bias in the pairs": (configured(lora_bias=True), r"\(lora_bias\)"),
    "PiSSA": (configured(init_lora_weights="pissa_niter_4"), r"\(init_lora_weights: pissa_niter_4\)"),
    "an activated one": (configured(alora_invocation_tokens=[1]), r"\(alora_invocation_tokens\)"),
    "tokens of its own": (configured(trainable_token_indices=[1]), r"\(trainable_token_indices\)"),
    "a saved layer": (with_tensors(lambda *one: one, **{"lm_head/weight": ONE}), r"\(lm_head.weight\): merge it"),
    "magnitudes": (
        with_tensors(lambda *one: one, **{"model/q_proj/lora_magnitude_vector": ONE}), "magnitude_vector.: merge"
    ),
    "another kind": (configured(peft_type="PREFIX_TUNING"), "is a PREFIX_TUNING adapter: only LORA adapters"),
    "no rank": (configured(r=None), r"adapter_config.json has no rank \(r\) that is a number"),
    "too large a rank": (configured(r=1024), "has a rank of 1024, and 1 to 512 can be served"),
    "another rank than it says": (configured(r=8), "has a rank of 4 and adapter_config.json says 8: copy both again"),
    "other inputs": (with_tensors(wider), r"another base \(.*\): .* has inputs of 96 where .* has 64; name that base"),
    "other outputs": (with_tensors(longer), r"another base .* has outputs of 96 where .* has 64; name that base"),
    "more layers": (
        with_tensors(lambda name, one: (name.replace("layers.1", "layers.7"), one)), r"adapts .*layers\.7.*has not"
    ),
    "other names": (
        with_tensors(lambda name, one: (name.replace("q_proj", "query"), one)), r"adapts .*query, which .* has not"
    ),
    "cut weights": (cut, "damaged or incomplete .*: copy it again"),
    "a pointer": (
        lambda f: (f / WEIGHTS).write_text("version https://git-lfs.github.com/spec/v1\n"), "run 'git lfs pull' in"
    ),
    "no weights": (lambda f: (f / WEIGHTS).unlink(), "holds no adapter_config.json with adapter_model.safetensors"),
    "no configuration": (lambda f: (f / CONFIG).unlink(), "holds no adapter_config.json"),
    "a cut configuration": (lambda f: (f / CONFIG).write_text("{"), "adapter_config.json is not JSON"),
    "a list for a configuration": (lambda f: (f / CONFIG).write_text("[]"), "must hold one JSON object"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_an_adapter_that_cannot_be_served_is_one_line_for_every_engine(
    checkpoint: Path, adapter: Path, tmp_path: Path, fault: str
) -> None:
    folder = shutil.copytree(adapter, tmp_path / "adapter")
    spoil, message = FAULTS[fault]
    spoil(folder)
    for name, create in (("transformers", create_engine), ("vllm", create_engine), ("vllm", create_async_engine)):
        with pytest.raises(SetupError, match=f"adapter 'loud': .*{message}") as refused:
            create(name, checkpoint, {"adapters": {"loud": folder}})
        assert "\n" not in str(refused.value)


def test_adapters_that_can_be_served_pass(checkpoint: Path, adapter: Path, tmp_path: Path) -> None:
    assert check_adapter("loud", adapter, str(checkpoint))["r"] == 4
    check_adapter("loud", adapter, "some/hub-name")
    folder = shutil.copytree(adapter, tmp_path / "adapter")
    configured(rank_pattern={"v_proj": 8}, use_rslora=True, init_lora_weights="gaussian", modules_to_save=[])(folder)
    with_tensors(lambda name, one: (name, np.repeat(one, 2, axis=int("lora_B" in name)) if "v_proj" in name else one))(
        folder
    )
    assert largest_rank(check_adapter("loud", folder, str(checkpoint))) == 8


@pytest.mark.parametrize(
    ("names", "shape", "dtype"),
    [
        (("model.language_model.layers.0.self_attn.q_proj.weight",), (64, 64), np.float32),
        (("model.layers.0.self_attn.q_proj.qweight",), (8, 64), np.int32),
        (
            ("model.layers.0.self_attn.q_proj.weight", "model.layers.0.self_attn.q_proj.weight.absmax"),
            (2048, 1),
            np.uint8,
        ),
    ],
    ids=["of a model that sees", "packed", "packed in bytes"],
)
def test_a_bases_layers_are_found_under_the_names_that_files_have(
    checkpoint: Path, adapter: Path, tmp_path: Path, names: tuple[str, ...], shape: tuple[int, int], dtype: type
) -> None:
    base, folder = tmp_path / "base", shutil.copytree(adapter, tmp_path / "adapter")
    shutil.copytree(checkpoint, base)
    save_file({name: np.zeros(shape, dtype) for name in names}, base / "model.safetensors")
    pairs = {name: one for name, one in load_file(folder / WEIGHTS).items() if "layers.0.self_attn.q_proj" in name}
    save_file(pairs, folder / WEIGHTS)
    check_adapter("loud", folder, str(base))
    with_tensors(wider)(folder)
    with pytest.raises(SetupError, match="has inputs of 96 where .* has 64"):
        check_adapter("loud", folder, str(base))
