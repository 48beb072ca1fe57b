import json
from pathlib import Path

import pytest
import torch


@pytest.fixture(scope="session")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny checkpoint's shape and vocabulary with other weights."""
    from tests.tiny_checkpoint import build_checkpoint  # it brings torch along

    return build_checkpoint(tmp_path_factory.mktemp("tuned"), seed=1)


@pytest.fixture(scope="session")
def lora(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA adapter of the tiny checkpoint."""
    return make_lora(checkpoint, tmp_path_factory.mktemp("lora"))


def make_lora(checkpoint: Path, folder: Path, **settings: object) -> Path:
    """An adapter as PEFT saves one, with weights that change what is written."""
    import peft
    from transformers import AutoModelForCausalLM

    torch.manual_seed(3)
    network = AutoModelForCausalLM.from_pretrained(checkpoint)
    given = {"r": 4, "lora_alpha": 16, "target_modules": "all-linear", "task_type": "CAUSAL_LM"} | settings
    adapted = peft.get_peft_model(network, peft.LoraConfig(**given))
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    adapted.save_pretrained(folder)
    return folder


def set_config(folder: Path, **fields: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))
