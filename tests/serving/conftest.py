from collections.abc import Iterator
from pathlib import Path

import pytest

from app.config import ROOT
from tests.serving.live_batch import LiveBatch, kill_in_the_middle
from tests.serving.live_server import LiveServer, live_server

MINI = ROOT / "models" / "mini"


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
    with live_server(MINI, folder, adapters={"coral": adapter}) as first:
        return kill_in_the_middle(first)


@pytest.fixture(scope="session")
def server(interrupted: LiveBatch, adapter: Path) -> Iterator[LiveServer]:
    """One server for all tests that need the real engine: it takes half a minute to start."""
    with live_server(MINI, interrupted.folder, adapters={"coral": adapter}) as started:
        yield started
