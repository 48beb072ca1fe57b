from pathlib import Path

import pytest
import yaml

from app.errors import SetupError
from app.settings import ROOT
from app.train.recipe import FinetuneConfig, LoraSettings

LEAST = {"model": "m", "train": "t.jsonl", "output": "runs/a"}


def load(folder: Path, **changes: object) -> FinetuneConfig:
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(LEAST | changes), encoding="utf-8")
    return FinetuneConfig.read(path)


def test_the_least_that_must_be_said(tmp_path: Path) -> None:
    config = load(tmp_path)
    assert config.train == (Path("t.jsonl"),)
    assert config.run_folder == Path("runs/a.run")
    assert (config.method, config.lora.rank, config.lora.scale) == ("lora", 16, 32)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"lora": {"rank": 0}}, "lora.rank: a LoRA adapter needs a rank of 1 or more"),
        ({"lora": {"ranks": 4}}, "unknown setting 'lora.ranks'; did you mean 'lora.rank'"),
        ({"packed": True}, "unknown setting 'packed'; did you mean 'packing'"),
        ({"train": []}, "setting 'train'"),
        ({"capabilities": ["cooking"]}, "setting 'capabilities.0'"),
        ({"validation": "v", "save_every": 150}, r"save_every \(150\) must be a multiple of evaluation.every \(100\)"),
        ({"evaluation": {"patience": 2}}, "evaluation.patience needs 'validation' rows"),
        ({"keep": 1}, "setting 'keep'"),
    ],
)
def test_a_bad_setting_is_one_line(tmp_path: Path, changes: dict[str, object], says: str) -> None:
    with pytest.raises(SetupError, match=says) as raised:
        load(tmp_path, **changes)
    assert "\n" not in str(raised.value)
    assert str(tmp_path) in str(raised.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="cannot read the settings"):
        FinetuneConfig.read(tmp_path / "none.yaml")


@pytest.mark.parametrize("rank", [1, 16, 256])
def test_the_scale_of_an_update_does_not_depend_on_the_rank(rank: int) -> None:
    assert LoraSettings(rank=rank).scale / rank == 2
    assert LoraSettings(rank=rank, rslora=True).scale / rank**0.5 == pytest.approx(2)
    assert LoraSettings(rank=rank, alpha=7).scale == 7


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*lora*.yaml")), ids=lambda path: path.name)
def test_the_projects_own_settings_can_be_read(path: Path) -> None:
    config = FinetuneConfig.read(path)
    assert path.read_text(encoding="utf-8").startswith("# ")
    assert config.lora.rank > 0
