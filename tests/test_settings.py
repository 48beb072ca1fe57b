from pathlib import Path
from typing import ClassVar, Literal

import pytest
from pydantic import Field, ValidationError

from app.errors import SetupError
from app.settings import DEFAULT_CHECKPOINT, ROOT, StrictSettings, load_settings, read_yaml
from app.types import TaskType


class Shelf(StrictSettings):
    height: int = 1


class Cupboard(StrictSettings):
    called: ClassVar[str] = "the cupboard"

    colour: Literal["red", "green"] = "red"
    types: dict[TaskType, int] = Field(default_factory=dict)
    shelves: dict[str, Shelf] = Field(default_factory=dict)
    top: Shelf | None = None


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    return path


def test_defaults_lead_to_the_default_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHOPBENCH_MODEL")
    settings = load_settings()
    assert settings.engine == "vllm"
    assert Path(settings.model) == DEFAULT_CHECKPOINT


def test_later_sources_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "engine: one\nseed: 1")
    assert load_settings(path).engine == "one"
    monkeypatch.setenv("SHOPBENCH_ENGINE", "two")
    assert load_settings(path).engine == "two"
    assert load_settings(path, {"engine": "three", "seed": None}).engine == "three"
    assert load_settings(path, {"engine": "three", "seed": None}).seed == 1


def test_relative_paths_are_found_from_any_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SHOPBENCH_MODEL", "tests/fixtures/mini")
    settings = load_settings(ROOT / "configs" / "submission.yaml")
    assert Path(settings.model) == ROOT / "tests" / "fixtures" / "mini"


def test_a_hub_name_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHOPBENCH_MODEL")
    assert load_settings(write(tmp_path, "model: Someone/some-model")).model == "Someone/some-model"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("modle: x", r"unknown setting 'modle'; did you mean 'model'\?"),
        ("zzz: x", r"unknown setting 'zzz'; known settings: engine, engine_settings, forms, model, prompts, seed"),
        ("seed: many", "setting 'seed': .*given: 'many'"),
        ("seed: -1", "setting 'seed': .*greater than or equal to 0"),
        ("- a\n- b", "must hold 'setting: value' lines, and holds a list"),
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


@pytest.mark.parametrize(
    ("variable", "text", "says"),
    [
        ("SHOPBENCH_SEED", "many", "^the settings file: setting 'seed': .*given: 'many'"),
        ("SHOPBENCH_ENGINE_SETTINGS", "{a: 1", "^environment variable SHOPBENCH_ENGINE_SETTINGS is not JSON: "),
        ("SHOPBENCH_ENGINE_SETTINGS", "fast", "setting 'engine_settings': .*given: 'fast'"),
    ],
)
def test_a_bad_variable_in_the_environment_is_one_line(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str, says: str
) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(SetupError, match=says) as error:
        load_settings()
    assert "\n" not in str(error.value)


def test_mappings_in_the_environment_are_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOPBENCH_ENGINE_SETTINGS", '{"dtype": "float32"}')
    assert load_settings().engine_settings == {"dtype": "float32"}


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"top": {"hight": 2}}, "unknown setting 'top.hight'; did you mean 'top.height'?"),
        ({"shelves": {"a": {"hight": 2}}}, "unknown setting 'shelves.a.hight'; did you mean 'shelves.a.height'?"),
        ({"zzz": 2}, "unknown setting 'zzz'; known settings: colour, shelves, top, types"),
        ({"colour": "gren"}, "setting 'colour': unknown value 'gren'; did you mean 'green'?"),
        ({"colour": "zzz"}, "setting 'colour': unknown value 'zzz'; known values: green, red"),
        ({"types": {"rankin": 1}}, "setting 'types.rankin': unknown value 'rankin'; did you mean 'ranking'?"),
        ({"shelves": {"a": {"height": "x"}}}, "setting 'shelves.a.height': input should be a valid integer"),
    ],
)
def test_what_cannot_be_set_is_told_with_its_path_and_the_nearest_name(values: object, says: str) -> None:
    with pytest.raises(SetupError) as error:
        Cupboard.parse(values)
    assert str(error.value).startswith(f"the cupboard: {says}")


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Cupboard.parse({}).colour = "green"


def test_what_a_file_holds_is_read(tmp_path: Path) -> None:
    path = write(tmp_path, "colour: green\ntypes: {ranking: 3}\n")
    assert Cupboard.read(path) == Cupboard(colour="green", types={TaskType.RANKING: 3})
    path.write_text("colour: {ä: 1}", encoding="utf-8")
    with pytest.raises(SetupError, match=rf"^{path}: setting 'colour'"):
        Cupboard.read(path)


@pytest.mark.parametrize("content", [b"a: [", b"\xff\xfe\xfa", b"a: 1\nb: {c: 1, c: 2}"])
def test_what_is_not_yaml_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(content)
    with pytest.raises(SetupError, match=r"the list .*a\.yaml is not YAML: ") as refused:
        read_yaml(path, "the list")
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"^cannot read the cupboard .*b\.yaml: No such file or directory$"):
        Cupboard.read(tmp_path / "b.yaml")
