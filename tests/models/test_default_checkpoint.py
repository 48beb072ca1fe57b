"""Where no checkpoint is named, the default one answers: from the shell, from Python and to the competition."""

import json
import os
import subprocess
import sys

import pytest

from app import load
from app.checkpoints.default import ADAPTER, HASHES, WEIGHTS
from app.files import sha256
from app.settings import DEFAULT_CHECKPOINT, ROOT, load_settings
from models.user_config import UserModel

WATTAGE = "Which of these is sold by its wattage?\n0. bookmark\n1. hair dryer\nAnswer:"
MOST_BYTES = 16_000_000
"""What an adapter may add to the repository."""


@pytest.fixture(autouse=True)
def _no_model_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    if not DEFAULT_CHECKPOINT.is_dir():
        pytest.skip(f"{DEFAULT_CHECKPOINT} is not made: run 'shopbench checkpoint default'")
    monkeypatch.delenv("SHOPBENCH_MODEL")


def test_its_weights_are_the_recorded_ones() -> None:
    assert sha256(DEFAULT_CHECKPOINT / WEIGHTS) == json.loads(HASHES.read_text())["checkpoint"]


def test_its_adapter_is_small_and_says_under_which_licence_it_is() -> None:
    if not ADAPTER.is_dir():
        pytest.skip("there is no adapter yet: the base answers")
    assert sum(path.stat().st_size for path in ADAPTER.rglob("*") if path.is_file()) <= MOST_BYTES
    assert "\nlicense: " in (ADAPTER / "README.md").read_text(encoding="utf-8")


def test_python_and_the_competition_are_answered_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings(ROOT / "configs" / "submission.yaml").model == str(DEFAULT_CHECKPOINT)
    with load(engine="transformers") as predictor:
        (prediction,) = predictor.predict(["Explain the product category.\nInput: Teapot\nOutput:"])
        assert predictor.engine.model == str(DEFAULT_CHECKPOINT)
    assert prediction.answer
    assert prediction.error is None

    monkeypatch.setenv("SHOPBENCH_ENGINE", "transformers")
    assert UserModel().batch_predict({"prompt": [WATTAGE]}, is_multiple_choice=True)[0] in ("0", "1")


def test_the_demo_prints_its_answers() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "app", "demo"],
        cwd=ROOT,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stderr[-2000:]
    assert "19 questions" in run.stdout
    assert "error" not in run.stdout
