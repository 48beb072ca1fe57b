import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from app.engines.base import Engine
from app.engines.loading import create_engine
from app.errors import EngineError


@pytest.fixture(scope="session")
def adapter(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA adapter with random weights, strong enough to change what is written."""
    folder = tmp_path_factory.mktemp("adapter")
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": str(checkpoint),
        "r": 4,
        "lora_alpha": 32,
        "target_modules": ["q_proj", "v_proj"],
        "bias": "none",
    }
    (folder / "adapter_config.json").write_text(json.dumps(config))
    generator = torch.Generator().manual_seed(7)
    weights = {}
    for layer in range(2):
        for name, rows in (("q_proj", 64), ("v_proj", 32)):
            prefix = f"base_model.model.model.layers.{layer}.self_attn.{name}"
            weights[f"{prefix}.lora_A.weight"] = torch.randn(4, 64, generator=generator)
            weights[f"{prefix}.lora_B.weight"] = torch.randn(rows, 4, generator=generator)
    save_file(weights, folder / "adapter_model.safetensors")
    return folder


SETTINGS: dict[str, dict[str, object]] = {
    "transformers": {"batch_size": 4},
    # Few tokens a step, so that prompts are computed in chunks and answers wait for one another.
    "vllm": {"max_num_seqs": 4, "max_num_batched_tokens": 64, "cpu_cache_gib": 1},
}
PULL_AHEAD = {"transformers": 4 * 4, "vllm": 2 * 4}


@pytest.fixture(scope="session")
def engines(checkpoint: Path, adapter: Path) -> Iterator[dict[str, Engine]]:
    """Engines are loaded when they are first asked for, once a session: starting vLLM takes longest."""
    loaded = _Engines(checkpoint, adapter)
    yield loaded
    for engine in loaded.values():
        engine.close()
        engine.close()
        with pytest.raises(EngineError, match="closed"):
            next(engine.generate([]))


class _Engines(dict[str, Engine]):
    def __init__(self, checkpoint: Path, adapter: Path) -> None:
        super().__init__()
        self._checkpoint = checkpoint
        self._adapter = adapter

    def __missing__(self, name: str) -> Engine:
        self[name] = create_engine(name, self._checkpoint, SETTINGS[name] | {"adapters": {"loud": self._adapter}})
        return self[name]


@pytest.fixture(params=sorted(SETTINGS))
def engine(request: pytest.FixtureRequest, engines: dict[str, Engine]) -> Engine:
    return engines[request.param]
