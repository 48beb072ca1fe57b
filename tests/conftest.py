import os
import shutil
from pathlib import Path
from typing import Any

import hypothesis
import pytest

# The models of the tests are tiny: more threads only wait for one another, for minutes on a busy machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Where a test names no model it is the small one: the default checkpoint takes seconds to load, and may not be there.
MINI = Path(__file__).parent / "fixtures" / "mini"
os.environ["SHOPBENCH_MODEL"] = str(MINI)
FULL = bool(os.environ.get("FULL_TESTS"))
"""Set by whoever has minutes to spare: more examples, kills and rows; real engines on Ray."""
# A busy machine is no error: no example has a deadline.
hypothesis.settings.register_profile("tests", max_examples=1000 if FULL else 40, deadline=None)
hypothesis.settings.load_profile("tests")


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint with random weights: what must hold for it must hold for any model."""
    from tests.tiny_checkpoint import build_checkpoint  # it brings torch along

    return build_checkpoint(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture
def copied(checkpoint: Path, tmp_path: Path) -> Path:
    """A copy of the tiny checkpoint that a test may spoil."""
    return shutil.copytree(checkpoint, tmp_path / "copied")


TOGETHER = {
    # The server of `tests/serve/conftest.py`, which the last file stops.
    "server": (
        "tests/serve/test_deploy.py",
        "tests/serve/test_live",
        "tests/serve/test_openai.py",
        "tests/serve/test_playground.py",
        "tests/serve/test_shutdown.py",
    ),
    # vLLM in the tests' own process: mostly the engines of `tests/engines/conftest.py`.
    "engines": (
        "tests/checkpoints/test_card.py",
        "tests/checkpoints/test_verification.py",
        "tests/engines/",
        "tests/serve/test_way.py",
    ),
}
"""Files, by how their names begin, that go to one worker, since what they share takes longest to start."""
LONG = (
    "tests/jobs/ray/test_cluster_job.py",
    "tests/models/test_default_checkpoint.py",
    "tests/models/test_user_config.py",
    "tests/test_front_door.py",
    "tests/jobs/test_interruptions.py",
    "tests/train/test_finetune.py",
    "tests/cli/test_predict.py",
    "tests/serve/test_fuzz.py",
    "tests/serve/test_playground_trouble.py",
    "tests/evaluation/test_report_browser.py",
    "tests/evaluation/test_parity.py",
    "tests/data/mixing/test_build.py",
    "tests/test_wheel.py",
)
"""Files that take long. They begin first, so that the workers end together."""


def _share(nodeid: str) -> str:
    """What goes to one worker as a whole: a file, or files that share something."""
    file = nodeid.split("::", 1)[0]
    return next((name for name, files in TOGETHER.items() if file.startswith(files)), file)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):  # a process of pytest-xdist's
        first = [*TOGETHER, *LONG]
        place = {name: number for number, name in enumerate(first)}
        items.sort(key=lambda item: place.get(_share(item.nodeid), len(first)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:  # noqa: ANN401  # xdist is not typed
    """`--dist loadfile` with shares in the place of files, in the order above."""
    from xdist.scheduler import LoadFileScheduling

    class Shares(LoadFileScheduling):  # type: ignore[misc]  # xdist is not typed
        def _split_scope(self, nodeid: str) -> str:
            return _share(nodeid)

    if config.getvalue("dist") != "loadfile":
        return None
    config.option.loadscopereorder = False
    return Shares(config, log)
