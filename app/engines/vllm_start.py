"""What both vLLM engines need before they start. Nothing here may import vLLM before its environment is set."""

import importlib
import logging
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from app.engines.settings import VllmSettings

if TYPE_CHECKING:
    from vllm.lora.request import LoRARequest


def import_vllm() -> ModuleType:
    """vLLM, imported late: it takes seconds, and its environment must be set first."""
    logging.getLogger("torch._library.triton").setLevel(logging.ERROR)
    # Remarks of the library about itself, which its users can do nothing about.
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"vllm\.")
    return importlib.import_module("vllm")


def compute_capability() -> tuple[int, int] | None:
    """The GPU's, or None on a CPU."""
    from vllm.platforms import current_platform

    found = current_platform.get_device_capability()
    return None if found is None else (found.major, found.minor)


def first_line(error: Exception) -> str:
    """The reason in one line of what vLLM says in many."""
    text = str(error)
    # Validation errors open with a headline; the reason is on a line of its own.
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    reason = next((line for line in lines if line.startswith("Value error")), lines[0] if lines else text)
    return reason.removeprefix("Value error, ").split(" [type=")[0]


def adapter_requests(settings: VllmSettings) -> "dict[str, LoRARequest]":
    """The adapters by name, as vLLM asks for them."""
    from vllm.lora.request import LoRARequest

    return {
        name: LoRARequest(name, number, str(Path(path).resolve()))
        for number, (name, path) in enumerate(sorted(settings.adapters.items()), start=1)
    }


def refusals() -> tuple[type[Exception], ...]:
    """What vLLM raises where it does not take a request."""
    faults = importlib.import_module("vllm.exceptions")
    return ValueError, faults.VLLMClientError


@contextmanager
def interrupts_kept_from_children() -> Iterator[None]:
    """Ctrl+C reaches every process of a terminal. vLLM's would end at once, and with it what was accepted."""
    # Started later, Python's resource tracker would let the signal through again.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
