"""The network of a run: loaded in the number format that suits the machine, with a new adapter where one is trained."""

import os
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from huggingface_hub import snapshot_download
from peft import LoraConfig, PeftModel, get_peft_model, prepare_model_for_kbit_training
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn
from transformers import BitsAndBytesConfig, PreTrainedModel, set_seed

from app.engines import transformers
from app.engines.checkpoint_files import check_checkpoint, multiplies_bfloat16
from app.errors import SetupError, first_line
from app.train.recipe import FinetuneConfig, LoraSettings

DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}


CPU_TOKENS = 3072
"""Tokens at a time that keep a CPU's cores busy: more only take memory."""


def on_gpu(config: FinetuneConfig) -> bool:
    """Whether the run computes on a GPU."""
    return config.device == "auto" and torch.cuda.is_available()


def default_threads() -> int:
    """What OMP_NUM_THREADS says, else the cores that are free; PyTorch's own number for each of several processes."""
    if os.environ.get("OMP_NUM_THREADS") or PartialState().num_processes > 1:
        return torch.get_num_threads()
    return free_cores()


def free_cores(seconds: float = 0.3) -> int:
    """Cores of this process that nobody keeps busy, at least one: threads that share a core slow each other down.

    From /proc/stat, whose columns are user, nice, system, idle, iowait, ... in ticks (proc(5)).
    """

    def ticks() -> dict[str, tuple[int, int]]:
        lines = [line.split() for line in Path("/proc/stat").read_text().splitlines() if line.startswith("cpu")]
        return {name: (int(values[3]) + int(values[4]), sum(map(int, values[:8]))) for name, *values in lines}

    before = ticks()
    time.sleep(seconds)
    after = ticks()
    idle = 0.0
    for name in (f"cpu{number}" for number in os.sched_getaffinity(0)):
        passed = after[name][1] - before[name][1]
        idle += (after[name][0] - before[name][0]) / passed if passed else 1.0
    return max(1, round(idle))


@dataclass(frozen=True, slots=True)
class Precision:
    """Number formats: of the matrix products, and of the weights that do not learn or learn by mixed precision."""

    compute: torch.dtype
    weights: torch.dtype


def choose_precision(config: FinetuneConfig) -> Precision:
    """What `precision` and `method` come to on this machine.

    Weights that learn are float32 (mixed precision, Micikevicius et al. 2018); frozen ones are kept as they are used.

    Raises:
        SetupError: the machine cannot compute in that format.
    """
    name = config.precision
    if name == "auto":
        if on_gpu(config):
            name = "bfloat16" if torch.cuda.is_bf16_supported() else "float16"
        else:
            name = "bfloat16" if multiplies_bfloat16() else "float32"
    if name == "float16" and not on_gpu(config):
        raise SetupError("precision: float16 needs a GPU; on a CPU use float32 or bfloat16")
    if name == "float16" and config.method == "qlora":
        raise SetupError("method: qlora trains its adapter in bfloat16, which this GPU has not; set method: lora")
    compute = DTYPES[name]
    return Precision(compute, torch.float32 if config.method == "full" else compute)


def fetch_checkpoint(model: str) -> None:
    """Have the checkpoint on this machine: a folder is looked at, a hub name is downloaded to the cache.

    Raises:
        SetupError: there is no such folder and no such model.
    """
    check_checkpoint(model)
    if Path(model).is_dir():
        return
    try:
        snapshot_download(model, allow_patterns=["*.safetensors", "*.json", "*.txt", "*.jinja", "*.model"])
    except (OSError, ValueError) as error:
        raise SetupError(f"{model}: cannot download it: {first_line(error)}; name a folder that holds it") from error


def load_network(config: FinetuneConfig, precision: Precision) -> PreTrainedModel | PeftModel:
    """The base model with a fresh adapter, or the whole model to train. The adapter is seeded.

    Raises:
        SetupError: the checkpoint cannot be loaded, QLoRA is not possible here, or there is no such target module.
    """
    base = load_base(config, precision)
    return base if config.method == "full" else adapted(base, config, precision)


def adapted(base: PreTrainedModel, config: FinetuneConfig, precision: Precision) -> PeftModel:
    """A base as `load_base` gives it with a fresh adapter, which the seed decides.

    Raises:
        SetupError: the base has no such target module.
    """
    if config.method == "qlora":
        base = prepare_model_for_kbit_training(base, use_gradient_checkpointing=config.gradient_checkpointing)
    set_seed(config.seed)
    network = add_adapter(base, config.lora, config.model)
    if precision.compute is not torch.float32:
        # Autocast takes activations as they are: PEFT would copy each to float32, for autocast to copy it back.
        for module in network.modules():
            if isinstance(module, BaseTunerLayer):
                module.cast_input_dtype_enabled = False
    return network


def add_adapter(base: PreTrainedModel, settings: LoraSettings, name: str) -> PeftModel:
    """A new adapter, zero in effect. `name` is how the adapter's own settings call the base.

    Raises:
        SetupError: the base has no such module.
    """
    if settings.targets != "all-linear" and "lm_head" in settings.targets:
        raise SetupError("lora.targets: lm_head cannot be adapted, since the loss reads its weights; leave it out")
    lora = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.scale,
        lora_dropout=settings.dropout,
        target_modules=settings.targets if settings.targets == "all-linear" else list(settings.targets),
        use_rslora=settings.rslora,
        task_type="CAUSAL_LM",
    )
    try:
        network = get_peft_model(base, lora)
    except ValueError as error:
        known = {path.rsplit(".", 1)[-1] for path, module in base.named_modules() if isinstance(module, nn.Linear)}
        raise SetupError(
            f"lora.targets: {first_line(error)}; {name} has: all-linear, {', '.join(sorted(known))}"
        ) from error
    network.peft_config["default"].base_model_name_or_path = name
    return network


def load_base(config: FinetuneConfig, precision: Precision) -> PreTrainedModel:
    """The checkpoint in the number format in which it is used.

    Raises:
        SetupError: it cannot be loaded, or QLoRA is not possible here.
    """
    arguments: dict[str, Any] = {"dtype": precision.weights}
    if config.attention is not None:
        arguments["attn_implementation"] = config.attention
    if config.method == "qlora":
        arguments |= _quantized(precision)
    base = transformers.load_network(config.model, **arguments)
    base.config.use_cache = False
    return base


def _quantized(precision: Precision) -> dict[str, Any]:
    """Four-bit NormalFloat with double quantization (Dettmers et al. 2023, arXiv 2305.14314, section 3)."""
    if not torch.cuda.is_available():
        raise SetupError("method: qlora needs an NVIDIA GPU, and there is none here; set method: lora")
    if find_spec("bitsandbytes") is None:
        raise SetupError("method: qlora needs bitsandbytes, which is not installed: pip install 'bitsandbytes>=0.48'")
    quantization = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=precision.compute,
    )
    # Every process holds a whole copy on the GPU that it was given.
    return {"quantization_config": quantization, "device_map": {"": PartialState().local_process_index}}
