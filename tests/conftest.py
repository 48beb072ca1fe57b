from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint with random weights: what must hold for it must hold for any model."""
    build = pytest.importorskip("tests.tiny_checkpoint").build_checkpoint
    folder: Path = build(tmp_path_factory.mktemp("checkpoint"))
    return folder
