"""What an engine is given: its settings and a checkpoint, both checked before any heavy library is loaded."""

import json
import re
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from app.errors import SetupError
from app.settings import DEFAULT_CHECKPOINT, StrictSettings


class EngineSettings(StrictSettings):
    """What every engine knows."""

    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="Number format of the weights; auto chooses what suits the machine."
    )
    max_model_len: int | None = Field(
        None, ge=16, description="Prompt and output in tokens; by default what the checkpoint was made for."
    )
    adapters: dict[str, Path] = Field(default_factory=dict, description="LoRA adapters by the name that requests use.")
    seed: int = Field(0, ge=0, description="Seeds the library; each request carries a seed of its own.")

    @property
    def devices(self) -> int:
        """GPUs that one engine takes, where there are any."""
        return 1


class VllmSettings(EngineSettings):
    """Settings of the vLLM engine."""

    called: ClassVar[str] = "engine vllm"

    max_num_seqs: int = Field(256, ge=1, description="Answers generated at the same time.")
    max_num_batched_tokens: int | None = Field(
        None, ge=1, description="Tokens computed in one step; by default vLLM's choice."
    )
    gpu_memory_utilization: float = Field(0.9, gt=0, le=1, description="Share of a GPU's memory to use.")
    cpu_cache_gib: int = Field(1, ge=1, description="Memory for keys and values on CPUs, in GiB.")
    tensor_parallel_size: int = Field(1, ge=1, description="GPUs that share one model.")
    pipeline_parallel_size: int = Field(1, ge=1, description="Groups of such GPUs, each with a part of the layers.")
    quantization: str | None = Field(None, description="How the weights are packed, where the files do not say.")
    enforce_eager: bool | None = Field(
        None, description="No compilation. By default true on CPUs, where compiling takes longer than it saves."
    )
    enable_prefix_caching: bool = Field(True, description="Reuse the computation of equal beginnings.")

    @property
    def devices(self) -> int:
        """GPUs that one engine takes, where there are any."""
        return self.tensor_parallel_size * self.pipeline_parallel_size


class TransformersSettings(EngineSettings):
    """Settings of the transformers engine."""

    called: ClassVar[str] = "engine transformers"

    batch_size: int = Field(16, ge=1, description="Answers generated at the same time.")
    device: str = Field("auto", description="Where to compute: auto, cpu, cuda or cuda:N.")


HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json")


def check_checkpoint(model: str) -> None:
    """Refuse a folder that is not a checkpoint. Names on the Hugging Face hub are left to the library.

    Raises:
        SetupError: the folder, its configuration, its weights or its tokenizer is missing.
    """
    if not model:
        raise SetupError("no checkpoint is named, and none is installed: add --model FOLDER, or set SHOPBENCH_MODEL")
    folder = Path(model)
    if not folder.exists():
        if HUB_NAME.fullmatch(model):
            return
        if folder == DEFAULT_CHECKPOINT:
            raise SetupError(
                "no checkpoint is named, and the default one is not made yet: run 'shopbench checkpoint default' once, "
                "or name one with --model FOLDER"
            )
        raise SetupError(f"no checkpoint at {model}: put the weights there, or name another with --model FOLDER")
    for what, patterns in (("configuration", ("config.json",)), ("weights", WEIGHTS), ("tokenizer", TOKENIZERS)):
        if not any(found for pattern in patterns for found in folder.glob(pattern)):
            raise SetupError(
                f"{model} holds no {what} ({' or '.join(patterns)}): "
                "complete the checkpoint or set model to another folder"
            )


def check_adapter(name: str, path: Path) -> dict[str, Any]:
    """The configuration of a LoRA adapter in PEFT's layout.

    Raises:
        SetupError: the folder holds no adapter.
    """
    config = path / "adapter_config.json"
    if not config.is_file() or not any(path.glob("adapter_model.*")):
        raise SetupError(
            f"adapter {name!r}: {path} holds no adapter_config.json with adapter_model.safetensors; "
            "set adapters to folders written by the training command"
        )
    try:
        values: dict[str, Any] = json.loads(config.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SetupError(f"adapter {name!r}: {config} is not JSON: {error}") from error
    return values


def quantization_method(model: str) -> str | None:
    """How a checkpoint's files say that its weights are packed; None where they do not, and for hub names."""
    try:
        values = json.loads((Path(model) / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    packing = values.get("quantization_config") if isinstance(values, dict) else None
    return packing.get("quant_method") if isinstance(packing, dict) else None
