from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving.live_server import LiveServer, live_server


@pytest.fixture(scope="session")
def server(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """One server for all tests that need the real engine: it takes half a minute to start."""
    pytest.importorskip("vllm")
    settings = '{"canary_timeout": 3, "model_name": "tiny"}'
    with live_server(checkpoint, tmp_path_factory.mktemp("server"), settings) as started:
        yield started
