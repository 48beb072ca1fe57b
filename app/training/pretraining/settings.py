"""Settings of a training run from scratch: one YAML file, unknown keys refused."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from app.errors import SetupError
from app.yaml_file import read_yaml

MIN_HEAD_SIZE = 16
"""Smaller heads have no room for what the first layers tell each other."""


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataSettings(_Settings):
    """What is learnt from."""

    rows: Path
    """JSON lines of training rows, as 'shopbench data build' writes them."""
    drill_share: float = Field(default=0.25, ge=0, le=1)
    """Share of pages of drills among the rows: they teach to look back, where rows teach what to look for."""
    first_drill_share: float = Field(default=0.9, ge=0, le=1)
    first_chunks: int = Field(default=12, ge=0)
    """That share instead, of plain drills, in so many first chunks."""
    permute_probability: float = Field(default=0.7, ge=0, le=1)
    """How often the entries of a numbered list change places."""


class TokenizerSettings(_Settings):
    """Byte-level BPE."""

    vocab_size: int = Field(default=8192, ge=300)


class ModelSettings(_Settings):
    """The shape of a Qwen2 model."""

    hidden_size: int = Field(default=256, gt=0)
    layers: int = Field(default=5, ge=3)
    heads: int = Field(default=8, ge=8)
    intermediate_size: int = Field(default=768, gt=0)
    context_length: int = Field(default=2048, ge=64)
    rope_theta: float = Field(default=1e7, ge=1e4)
    """Base of the rotary embedding: the larger, the more dimensions match content at any distance."""

    @model_validator(mode="after")
    def _divisible(self) -> "ModelSettings":
        if self.hidden_size % (4 * self.heads) or self.hidden_size < MIN_HEAD_SIZE * self.heads:
            raise ValueError(
                f"hidden_size must be a multiple of four times the heads, and at least {MIN_HEAD_SIZE} times"
            )
        return self


class OptimizerSettings(_Settings):
    """Steps, sizes and rates. The rate rises, holds, and falls to zero."""

    steps: int = Field(gt=0)
    tokens_per_batch: int = Field(default=4096, ge=64)
    """Padding included."""
    sequence_length: int = Field(default=448, ge=64)
    """Longer prompts lose their middle."""
    chunk_examples: int = Field(default=1024, ge=1)
    """Examples that are drawn and sorted by length together."""
    optimizer: Literal["adamw", "muon"] = "muon"
    """`muon` orthogonalises the updates of the matrices; embeddings and norms stay with AdamW."""
    learning_rate: float = Field(default=1e-3, gt=0)
    warmup_steps: int = Field(default=100, ge=0)
    decay_fraction: float = Field(default=0.3, ge=0, le=1)
    """Share of the steps, at the end, over which the rate falls linearly to zero."""
    circuit_rate: float = Field(default=0.2, gt=0, le=1)
    """Share of the rate for the attention of the first layers, which begins with circuits."""
    embedding_rate: float = Field(default=0.3, gt=0, le=1)
    """Share of the rate for the embeddings, by which the circuits know the words."""
    weight_decay: float = Field(default=0.05, ge=0)
    clip_norm: float = Field(default=1.0, gt=0)
    prompt_weight: float = Field(default=0.1, ge=0)
    """Loss weight of a prompt token against an answer token."""
    prompt_fraction: float = Field(default=0.25, ge=0, le=1)
    """Share of the prompt tokens that are predicted at all: it saves most of the output layer."""


class PretrainConfig(_Settings):
    """Everything that a run depends on."""

    data: DataSettings
    output: Path
    """The finished checkpoint's folder."""
    run: Path
    """Resumable state, log and metrics."""
    prompts: Path = Path("prompts")
    tokenizer: TokenizerSettings = TokenizerSettings()
    model: ModelSettings = ModelSettings()
    optimizer: OptimizerSettings
    seed: int = 0
    threads: int = Field(default=2, ge=1)
    bfloat16: bool = True
    """Autocast of the matrix products; the weights stay float32 while training."""
    checkpoint_seconds: float = Field(default=120.0, gt=0)


def load_pretrain_config(path: Path) -> PretrainConfig:
    """Read the YAML file.

    Raises:
        SetupError: the file is missing, is not YAML, or holds an unknown or bad setting.
    """
    values = read_yaml(path, "the settings file")
    try:
        return PretrainConfig.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise SetupError(f"{path}: {where}: {first['msg']}") from error
