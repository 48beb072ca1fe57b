"""A model that does not fit the memory is refused before it is loaded."""

from pathlib import Path

import pytest

from app.checkpoints import network
from app.errors import SetupError


def test_free_memory_is_what_the_system_says(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal:       9 kB\nMemAvailable:    2048 kB\n")
    assert network.free_memory(tmp_path / "meminfo") == 2 * 2**20
    assert network.free_memory(tmp_path / "none") is None


def test_a_model_larger_than_the_memory_is_refused(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = sum(one.numel() for one in network.load_network(checkpoint).parameters())
    monkeypatch.setattr(network, "free_memory", lambda: 4 * parameters)
    network.check_memory(checkpoint)
    monkeypatch.setattr(network, "free_memory", lambda: 4 * parameters - 1)
    with pytest.raises(SetupError, match="in float32"):
        network.load_network(checkpoint)


def test_damaged_weights_are_one_line(copied: Path) -> None:
    whole = (copied / "config.json").read_text()
    (copied / "config.json").write_text(whole.replace('"hidden_size": 64', '"hidden_size": 96'))
    with pytest.raises(SetupError, match="cannot load the model") as refused:
        network.load_network(copied)
    assert "\n" not in str(refused.value)
