"""What can be set on an engine."""

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from app.settings import StrictSettings


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
