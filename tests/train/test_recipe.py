from pathlib import Path

import pytest
import yaml

from app.errors import SetupError
from app.settings import ROOT
from app.train.recipe import ELSEWHERE, FinetuneConfig, LoraSettings

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
        ({"lora_r": 8}, "unknown setting 'lora_r'; here it is lora.rank"),
        ({"lora": {"lora_alpha": 8}}, "unknown setting 'lora.lora_alpha'; here it is lora.alpha"),
        ({"per_device_train_batch_size": 8}, "here it is optimizer.batch_size"),
        ({"optimizer": {"num_train_epochs": 8}}, "'optimizer.num_train_epochs'; here it is optimizer.epochs"),
        ({"load_in_4bit": True}, "unknown setting 'load_in_4bit'; here it is method: qlora"),
        ({"learning_rate": 1e-4}, "unknown setting 'learning_rate'; here it is optimizer.learning_rate"),
        ({"report_to": "all"}, "unknown value 'all'; known values: mlflow, tensorboard, wandb"),
    ],
)
def test_a_bad_setting_is_one_line(tmp_path: Path, changes: dict[str, object], says: str) -> None:
    with pytest.raises(SetupError, match=says) as raised:
        load(tmp_path, **changes)
    assert "\n" not in str(raised.value)
    assert str(tmp_path) in str(raised.value)


def test_names_from_elsewhere_lead_to_settings_that_there_are() -> None:
    for ours in ELSEWHERE.values():
        section, _, inner = ours.split(",")[0].split(":")[0].partition(".")
        fields = FinetuneConfig.model_fields[section].annotation
        assert not inner or (isinstance(fields, type) and inner in fields.model_fields)
    assert not ELSEWHERE.keys() & FinetuneConfig.model_fields.keys()


def test_settings_are_changed_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(LEAST | {"optimizer": {"steps": 5, "batch_size": 2}}))
    changes = [
        "lora.rank=4",
        "optimizer.steps=7",
        "optimizer.learning_rate=2e-4",
        "train=[a.json, b.json]",
        "packing=true",
    ]
    config = FinetuneConfig.read(path, changes)
    assert (config.lora.rank, config.optimizer.steps, config.optimizer.batch_size) == (4, 7, 2)
    assert (config.optimizer.learning_rate, config.packing) == (2e-4, True)
    assert config.train == (Path("a.json"), Path("b.json"))
    assert FinetuneConfig.read(None, [f"{name}={value}" for name, value in LEAST.items()]).model == "m"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("lora_r=8", "config.yaml with --set: unknown setting 'lora_r'; here it is lora.rank"),
        ("lora.rank", "--set takes setting=value, such as optimizer.steps=100, not 'lora.rank'"),
        ("=1", "--set takes setting=value"),
        ("lora.=1", "--set takes setting=value"),
        ("lora=[1", r"--set lora=\[1: the value is not YAML"),
        ("model.x=1", "--set model.x=1: there is a value where the section of 'x' would be; set that instead"),
    ],
)
def test_a_bad_change_is_one_line(tmp_path: Path, change: str, says: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(LEAST))
    with pytest.raises(SetupError, match=says) as raised:
        FinetuneConfig.read(path, [change])
    assert "\n" not in str(raised.value)


def test_what_is_not_installed_is_not_reported_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.train.recipe.find_spec", lambda name: None if name == "wandb" else name)
    with pytest.raises(SetupError, match="report_to: wandb is not installed: pip install wandb"):
        FinetuneConfig.parse(LEAST | {"report_to": ["tensorboard", "wandb"]}).refuse_missing_reporters()
    FinetuneConfig.parse(LEAST | {"report_to": "mlflow"}).refuse_missing_reporters()


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
