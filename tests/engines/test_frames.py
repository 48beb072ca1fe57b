"""The way of a question to vLLM is short: the frames of the project on the stack where vLLM is given a request."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest
from typer.testing import CliRunner

from app.cli.main import cli
from app.engines.base import Engine
from app.engines.vllm.engines import VllmEngine
from app.predictor import Predictor
from app.prompting import PromptLibrary
from app.settings import ROOT
from models.shopbench_model import ShopBenchModel

OURS = (f"{ROOT / 'app'}/", f"{ROOT / 'models'}/")
MOST = 6


@pytest.fixture
def frames(engines: dict[str, Engine], monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The functions of the project that are under way each time, outermost first."""
    engine = engines["vllm"]
    assert isinstance(engine, VllmEngine)
    inner = engine._inner
    assert inner is not None
    add: Callable[..., object] = inner.add_request
    seen: list[list[str]] = []

    def seeing(*args: object, **kwargs: object) -> object:
        names: list[str] = []
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            if frame.f_code.co_filename.startswith(OURS):
                names.append(frame.f_code.co_qualname)
            frame = frame.f_back
        seen.append(names[::-1])
        return add(*args, **kwargs)

    monkeypatch.setattr(inner, "add_request", seeing)
    return seen


@pytest.fixture
def predictor(engines: dict[str, Engine]) -> Predictor:
    return Predictor(engines["vllm"], PromptLibrary(ROOT / "prompts"))


def test_from_a_predictor(frames: list[list[str]], predictor: Predictor) -> None:
    predictor.predict(["Explain a teapot."])
    check(frames)


def test_from_the_competitions_interface(
    frames: list[list[str]], predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.shopbench_model.create_predictor", lambda _: predictor)
    ShopBenchModel().batch_predict({"prompt": ["Explain a teapot."]}, is_multiple_choice=False)
    check(frames)


def test_from_the_command_line(
    frames: list[list[str]], predictor: Predictor, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.predictor.create_predictor", lambda _: predictor)
    monkeypatch.setattr(predictor, "close", lambda: None)
    source = tmp_path / "questions.jsonl"
    source.write_text('{"input_field": "Explain a teapot.", "is_multiple_choice": false}\n')
    command = ["predict", str(source), str(tmp_path / "answers.jsonl"), "--model", str(checkpoint), "--quiet"]
    assert CliRunner().invoke(cli, command, catch_exceptions=False).exit_code == 0
    check(frames)


def check(frames: list[list[str]]) -> None:
    assert frames
    for names in frames:
        assert names[-1] == "VllmEngine.generate"
        assert len(names) <= MOST, names
