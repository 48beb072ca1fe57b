from pathlib import Path

import pytest

from app.jobs.identity import (
    conversation_identity,
    differences,
    file_identity,
    loaded_identity,
    served_identity,
    settings_identity,
)
from app.predictor import Predictor
from app.prompting import PromptLibrary
from app.settings import ROOT, Settings
from tests.jobs.stepped_engine import SteppedEngine


def test_the_identity_follows_checkpoint_prompts_and_number_format(checkpoint: Path) -> None:
    def identity(**settings: object) -> dict[str, str]:
        return dict(settings_identity(Settings(model=str(checkpoint), **settings)))  # type: ignore[arg-type]  # plain values

    plain = identity()
    assert identity() == plain
    assert identity(seed=5) == plain
    assert identity(engine_settings={"max_num_seqs": 3}) == plain
    assert identity(engine_settings={"dtype": "float16"}) != plain
    assert identity(engine="transformers") != plain
    assert plain.keys() - conversation_identity(plain).keys() == {"prompts"}
    loaded = loaded_identity(plain, Predictor(SteppedEngine(version="9"), PromptLibrary(ROOT / "prompts")))
    assert loaded == plain | {"engine version": "9", "dtype": "float32"}


def test_a_servers_answers_depend_on_all_that_no_line_says(checkpoint: Path) -> None:
    def identity(**settings: object) -> dict[str, str]:
        return dict(served_identity(Settings(model=str(checkpoint), **settings)))  # type: ignore[arg-type]  # plain values

    plain = identity()
    assert plain["task adapters"] == "none"
    for changed in (
        {"engine_settings": {"max_model_len": 512}},
        {"engine_settings": {"dtype": "float16"}},
        {"task_adapters": {"ranking": "coral"}, "engine_settings": {"adapters": {"coral": str(checkpoint)}}},
    ):
        assert len(differences(plain, identity(**changed))) >= 1, changed
    conversations = conversation_identity(plain)
    assert plain.keys() - conversations.keys() == {"prompts", "software", "task adapters"}


def test_kept_answers_depend_on_the_code_that_reads_them_and_not_on_the_word_auto(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(model=str(checkpoint))  # type: ignore[call-arg]  # the rest has defaults
    before = file_identity(settings)
    assert "dtype" not in before
    monkeypatch.setattr(Path, "read_bytes", lambda _: b"another reading")
    assert differences(before, file_identity(settings)) == [
        f"software was {before['software']} and is now {file_identity(settings)['software']}"
    ]
