"""Checkpoints and adapters as networks in memory, for what needs a forward pass."""

import warnings
from pathlib import Path

import torch
from torch import nn

from app.errors import SetupError


def load_network(checkpoint: Path, dtype: torch.dtype = torch.float32) -> nn.Module:
    """A checkpoint's network, ready to answer, on the first GPU if there is one and otherwise on the CPU.

    Raises:
        SetupError: the library cannot load it.
    """
    from transformers import AutoModelForCausalLM, logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        network: nn.Module = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=dtype, trust_remote_code=False)
    except (OSError, ValueError, RuntimeError) as error:
        raise SetupError(f"{checkpoint}: cannot load the weights: {_first_line(error)}") from error
    return network.eval()


def with_adapter(network: nn.Module, adapter: Path) -> nn.Module:
    """The network with a LoRA adapter beside its weights.

    Raises:
        SetupError: the library cannot load it, or weights are missing from it.
    """
    from peft import PeftModel

    try:
        with warnings.catch_warnings():
            # PEFT only warns of adapter weights that it did not find.
            warnings.filterwarnings("error", message=".*missing adapter keys.*")
            adapted: nn.Module = PeftModel.from_pretrained(network, str(adapter))
    except (OSError, ValueError, RuntimeError, UserWarning) as error:
        raise SetupError(f"{adapter}: cannot load the adapter: {_first_line(error)}") from error
    return adapted.eval()


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]
