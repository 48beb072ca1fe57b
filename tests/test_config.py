from pathlib import Path

import pytest

from app.errors import SetupError
from app.settings import ROOT, load_settings
from app.types import TaskType


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    return path


def test_defaults_lead_to_the_embedded_checkpoint() -> None:
    settings = load_settings()
    assert settings.engine == "vllm"
    assert Path(settings.model) == ROOT / "tests" / "fixtures" / "mini"


def test_later_sources_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "engine: one\nseed: 1")
    assert load_settings(path).engine == "one"
    monkeypatch.setenv("SHOPBENCH_ENGINE", "two")
    assert load_settings(path).engine == "two"
    assert load_settings(path, {"engine": "three", "seed": None}).engine == "three"
    assert load_settings(path, {"engine": "three", "seed": None}).seed == 1


def test_relative_paths_are_found_from_any_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load_settings(ROOT / "configs" / "submission.yaml")
    assert Path(settings.model) == ROOT / "tests" / "fixtures" / "mini"


def test_a_hub_name_stays_as_it_is(tmp_path: Path) -> None:
    assert load_settings(write(tmp_path, "model: Someone/some-model")).model == "Someone/some-model"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("modle: x", r"unknown setting 'modle'; did you mean 'model'\?"),
        ("zzz: x", r"unknown setting 'zzz'; known settings: engine, engine_settings, model, prompts, seed"),
        ("seed: many", "setting 'seed': .*given: 'many'"),
        ("seed: -1", "setting 'seed': .*greater than or equal to 0"),
        ("- a\n- b", "must hold 'setting: value' lines"),
        ("a: [", "is not YAML"),
    ],
)
def test_a_bad_file_is_one_line_that_names_the_fix(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(SetupError, match=says) as error:
        load_settings(write(tmp_path, text))
    assert "\n" not in str(error.value)


def test_an_adapter_for_a_task_type_must_be_given_to_the_engine(tmp_path: Path) -> None:
    given = "engine_settings: {adapters: {shop: runs/shop}}\ntask_adapters: {ranking: shop}\n"
    assert load_settings(write(tmp_path, given)).task_adapters == {TaskType.RANKING: "shop"}
    with pytest.raises(SetupError, match=r"task_adapters: ranking names the adapter 'sohp', and .* has 'shop'"):
        load_settings(write(tmp_path, given.replace("ranking: shop", "ranking: sohp")))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"cannot read the settings file .*none\.yaml: No such file"):
        load_settings(tmp_path / "none.yaml")


def test_an_unknown_variable_in_the_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOPBENCH_MODLE", "x")
    with pytest.raises(SetupError, match=r"SHOPBENCH_MODLE: unknown setting 'modle'; did you mean 'model'"):
        load_settings()


def test_every_shipped_config_loads_and_names_its_command() -> None:
    for path in (ROOT / "configs").glob("*.yaml"):
        assert path.read_text().startswith("# "), f"{path} must begin with the command that uses it"
