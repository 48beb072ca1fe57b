import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.settings import ROOT
from tests.serve.live_batch import LiveBatch, kill_in_the_middle, wait
from tests.serve.live_server import UVICORN, LiveServer, live_server

MINI = ROOT / "tests" / "fixtures" / "mini"
SAMPLE = ROOT / "data" / "sample.jsonl"


@pytest.fixture(scope="session")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small LoRA adapter of the embedded checkpoint, with random weights that change what is written."""
    torch = pytest.importorskip("torch")
    peft = pytest.importorskip("peft")
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(7)
    config = peft.LoraConfig(
        r=4, lora_alpha=32, target_modules=["q_proj", "v_proj"], init_lora_weights=False, task_type="CAUSAL_LM"
    )
    network = peft.get_peft_model(transformers.AutoModelForCausalLM.from_pretrained(MINI), config)
    folder = tmp_path_factory.mktemp("adapter")
    network.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def interrupted(adapter: Path, tmp_path_factory: pytest.TempPathFactory) -> LiveBatch:
    """A batch whose server was killed in the middle of it; `server` is the one that came after."""
    pytest.importorskip("vllm")
    folder = tmp_path_factory.mktemp("server")
    with live_server(MINI, folder, UVICORN, adapters={"coral": adapter}) as first:
        return kill_in_the_middle(first)


@dataclass(frozen=True)
class Offline:
    """`shopbench predict` on the sample questions, on its way."""

    process: "subprocess.Popen[bytes]"
    target: Path

    def rows(self) -> dict[str, dict[str, Any]]:
        """Its output by id."""
        assert self.process.wait(500) == 0
        return {row["id"]: row for row in map(json.loads, self.target.read_text().splitlines())}


@pytest.fixture(scope="session")
def offline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Offline]:
    target = tmp_path_factory.mktemp("offline") / "out.jsonl"
    words = ["predict", str(SAMPLE), str(target), "--model", str(MINI), "--quiet"]
    process = subprocess.Popen([sys.executable, "-m", "app", *words], cwd=ROOT)
    yield Offline(process, target)
    process.kill()
    process.wait()


@pytest.fixture(scope="session")
def server(interrupted: LiveBatch, adapter: Path, offline: Offline) -> Iterator[LiveServer]:
    """One server for all tests that need the real engine: it takes half a minute to start, as long as `offline`."""
    del offline
    with live_server(MINI, interrupted.folder, adapters={"coral": adapter}) as started:
        # Tests look at what the engine works on, so nothing else may go on beside them.
        wait(started, interrupted.id)
        yield started
