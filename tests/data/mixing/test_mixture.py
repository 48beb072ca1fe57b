import math
from pathlib import Path

import pytest

from app.data.mixing.mixture import MixtureSettings
from app.data.row import Capability
from app.errors import SetupError

SOUND = """
data: data
sources: {catalogue: {rows: 5}}
evaluation_files: []
"""


def load(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mixture.yaml"
    path.write_text(text)
    MixtureSettings.read(path)


@pytest.mark.parametrize("path", sorted(Path("configs").glob("mixture*.yaml")), ids=str)
def test_the_projects_mixtures_are_sound(path: Path) -> None:
    settings = MixtureSettings.read(path)

    assert math.isclose(sum(settings.splits.fractions), 1)
    assert f"# shopbench data build {path} " in path.read_text(encoding="utf-8").splitlines()[0]


def test_weights_are_read_with_a_temperature_without_end(tmp_path: Path) -> None:
    path = tmp_path / "mixture.yaml"
    path.write_text(SOUND + "mix: {total: 9, capability: {temperature: .inf, weights: {multilingual: 3}}}\n")

    level = MixtureSettings.read(path).mix.capability
    assert level.temperature == math.inf
    assert level.weights == {Capability.MULTILINGUAL: 3}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "mixture.yaml must hold 'setting: value' lines, and holds nothing"),
        ("a: [", "is not YAML"),
        (SOUND.replace("evaluation_files: []", ""), "setting 'evaluation_files': field required"),
        (SOUND + "sed: 1", "unknown setting 'sed'; did you mean 'seed'"),
        (SOUND + "mix: {totl: 1}", "unknown setting 'mix.totl'; did you mean 'mix.total'"),
        (
            SOUND.replace("rows", "row"),
            "unknown setting 'sources.catalogue.row'; did you mean 'sources.catalogue.rows'",
        ),
        (SOUND + "mix: {capability: {temperatur: 2}}", "unknown setting 'mix.capability.temperatur'"),
        (
            SOUND + "mix: {total: 1, capability: {weights: {multilingua: 2}}}",
            "mix.capability.weights.multilingua': unknown value 'multilingua'; did you mean 'multilingual'",
        ),
        (
            SOUND + "mix: {total: 1, task_type: {weights: {rankin: 2}}}",
            "mix.task_type.weights.rankin': unknown value 'rankin'; did you mean 'ranking'",
        ),
        (SOUND + "mix: {total: 0}", "setting 'mix.total'"),
        (SOUND + "mix: {total: 1, task: {weights: {a: -1}}}", "setting 'mix.task.weights.a'"),
        (SOUND + "mix: {task: {temperature: 2}}", "set mix.total"),
        (SOUND + "mix: {max_repeats: 2}", "set mix.total"),
        (SOUND + "splits: {train: 0.5, validation: 0.1, test: 0.1}", "must add up to 1, not 0.7"),
        (SOUND.replace("rows: 5", "file: a, folder: b"), "a file or a folder, not both"),
        (SOUND.replace("rows: 5", "file: a"), "needs a licence"),
    ],
)
def test_a_bad_setting_is_one_line_that_names_the_fix(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SetupError) as caught:
        load(tmp_path, text)

    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"cannot read the mixture .*absent\.yaml: No such file"):
        MixtureSettings.read(tmp_path / "absent.yaml")
