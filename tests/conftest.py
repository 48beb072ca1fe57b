import os
from pathlib import Path

import pytest

# The models of the tests are tiny: more threads only wait for one another, for minutes on a busy machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Where a test names no model it is the small one: the default checkpoint takes seconds to load, and may not be there.
MINI = Path(__file__).parent / "fixtures" / "mini"
os.environ["SHOPBENCH_MODEL"] = str(MINI)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint with random weights: what must hold for it must hold for any model."""
    build = pytest.importorskip("tests.tiny_checkpoint").build_checkpoint
    folder: Path = build(tmp_path_factory.mktemp("checkpoint"))
    return folder
