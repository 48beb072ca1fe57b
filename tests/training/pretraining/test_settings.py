from pathlib import Path

import pytest

from app.errors import SetupError
from app.training.pretraining.settings import load_pretrain_config

GOOD = "data: {rows: d}\noutput: o\nrun: r\noptimizer: {steps: 1}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD + "sede: 1\n", "sede: Extra inputs are not permitted"),
        (GOOD + "model: {hidden_size: 100}\n", "hidden_size must be a multiple"),
        (GOOD + "optimizer: {steps: 0}\n", "optimizer.steps: Input should be greater than 0"),
        ("data: {rows: d}\noutput: o\nrun: r\n", "optimizer: Field required"),
        ("", "the file: "),
        ("a: [", "is not YAML"),
    ],
)
def test_bad_settings_are_named_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "pretrain.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SetupError) as caught:
        load_pretrain_config(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_a_setup_error(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"absent\.yaml"):
        load_pretrain_config(tmp_path / "absent.yaml")


def test_the_committed_settings_are_good() -> None:
    config = load_pretrain_config(Path(__file__).parents[3] / "configs" / "pretrain.yaml")
    assert config.output == Path("runs/mini/base")
