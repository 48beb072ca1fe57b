"""Settings of a fine-tuning run: one YAML file, unknown keys refused."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from app.data.row import Capability
from app.errors import InputError, SetupError
from app.process import parse_duration
from app.settings import ROOT, Form, StrictSettings
from app.types import TaskType


def _as_list(value: object) -> object:
    return [value] if isinstance(value, (str, Path)) else value


def _as_seconds(value: object) -> object:
    try:
        return parse_duration(value) if isinstance(value, str) else value
    except InputError as error:
        raise ValueError(str(error)) from error


def _at_least_rank_one(value: object) -> object:
    if isinstance(value, int) and value < 1:
        raise ValueError("a LoRA adapter needs a rank of 1 or more; 8 to 64 are usual")
    return value


Files = Annotated[tuple[Path, ...], BeforeValidator(_as_list), Field(min_length=1)]


class LoraSettings(StrictSettings):
    """The shape of an adapter (Hu et al. 2021, arXiv 2106.09685)."""

    rank: Annotated[int, BeforeValidator(_at_least_rank_one)] = 16
    alpha: float | None = Field(default=None, gt=0)
    """By default twice the rank, so that the update's scale, alpha / rank, stays 2 at every rank."""
    rslora: bool = False
    """Scale by alpha / sqrt(rank) (Kalajdzievski 2023, arXiv 2312.03732): for high ranks. The default of alpha is
    then 2 * sqrt(rank), which keeps the scale at 2."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    targets: Literal["all-linear"] | tuple[str, ...] = "all-linear"
    """Names of the modules that get an adapter; `all-linear` is every linear layer but the output's."""

    @property
    def scale(self) -> float:
        """What `alpha` is set to."""
        if self.alpha is not None:
            return self.alpha
        return 2 * self.rank**0.5 if self.rslora else 2.0 * self.rank


class OptimizerSettings(StrictSettings):
    """Steps, sizes and rates. One step is `batch_size * accumulation` rows on each process."""

    name: Literal["adamw_torch", "adamw_torch_fused", "adamw_8bit", "paged_adamw_8bit", "adafactor"] = "adamw_torch"
    learning_rate: float = Field(default=2e-4, gt=0)
    scheduler: Literal["cosine", "linear", "constant", "constant_with_warmup"] = "cosine"
    warmup: float = Field(default=0.03, ge=0, lt=1)
    """Share of the steps over which the rate rises."""
    epochs: float = Field(default=1.0, gt=0)
    steps: int | None = Field(default=None, gt=0)
    """Overrides `epochs`."""
    batch_size: int = Field(default=8, ge=1)
    """Rows (packs, where `packing` is on) that one process computes at a time."""
    accumulation: int = Field(default=1, ge=1)
    weight_decay: float = Field(default=0.0, ge=0)
    clip_norm: float = Field(default=1.0, gt=0)


class EvaluationSettings(StrictSettings):
    """When the validation rows are looked at, and when that ends the run."""

    every: int = Field(default=100, ge=1)
    """Steps."""
    batch_size: int | None = Field(default=None, ge=1)
    """By default the training's."""
    patience: int | None = Field(default=None, ge=1)
    """Evaluations without a better loss after which the run ends. The best state is what is kept, always."""


ELSEWHERE = {
    name: ours
    for ours, names in {
        "model": "model_name_or_path pretrained_model_name_or_path base_model_name_or_path base_model model_name",
        "train": "train_file train_files dataset dataset_name dataset_path datasets data_path train_data train_dataset",
        "validation": "validation_file eval_file eval_dataset val_dataset validation_data",
        "output": "output_dir save_path run_name name",
        "method": "finetuning_type adapter use_peft",
        "method: qlora": "load_in_4bit use_qlora quantization_bit",
        "lora.rank": "r lora_r lora_rank",
        "lora.alpha": "lora_alpha",
        "lora.dropout": "lora_dropout",
        "lora.rslora": "use_rslora",
        "lora.targets": "target_modules lora_target_modules lora_target",
        "optimizer.name": "optim",
        "optimizer.learning_rate": "lr",
        "optimizer.scheduler": "lr_scheduler_type lr_scheduler",
        "optimizer.warmup, a share of the steps": "warmup_ratio warmup_steps",
        "optimizer.epochs": "num_train_epochs num_epochs",
        "optimizer.steps": "max_steps",
        "optimizer.batch_size": "per_device_train_batch_size train_batch_size micro_batch_size",
        "optimizer.accumulation": "gradient_accumulation_steps",
        "optimizer.clip_norm": "max_grad_norm",
        "evaluation.every": "eval_steps",
        "evaluation.batch_size": "per_device_eval_batch_size eval_batch_size",
        "evaluation.patience": "early_stopping_patience",
        "max_length": "max_seq_length max_seq_len model_max_length sequence_len cutoff_len",
        "save_every": "save_steps",
        "log_every": "logging_steps",
        "keep": "save_total_limit",
        "attention": "attn_implementation",
        "precision": "bf16 fp16 torch_dtype dtype",
        "device: cpu": "use_cpu no_cuda",
        "capabilities": "capability",
    }.items()
    for name in names.split()
}
"""What transformers, PEFT, TRL and what is built on them call our settings."""


class FinetuneConfig(StrictSettings):
    """Everything that a run depends on."""

    elsewhere: ClassVar[Mapping[str, str]] = ELSEWHERE

    model: str
    """Folder or hub name of the checkpoint to start from."""
    train: Files
    """Training rows, as 'shopbench data build' writes them, or rows of one's own (`app.data.own`)."""
    validation: Annotated[tuple[Path, ...], BeforeValidator(_as_list)] = ()
    capabilities: tuple[Capability, ...] = ()
    """Only rows of these; empty for all. One run for each capability gives one adapter for each."""
    output: Path
    """The finished adapter's folder, or the finished checkpoint's."""
    run: Path | None = None
    """Resumable state and logs. By default `output` with `.run` at its end."""
    prompts: Path = ROOT / "prompts"
    method: Literal["lora", "qlora", "full"] = "lora"
    lora: LoraSettings = LoraSettings()
    optimizer: OptimizerSettings = OptimizerSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    forms: dict[TaskType, Form] = Field(default_factory=dict)
    """The form in which a task type is learnt, and then served; the others are asked for labels. See `app/forms.py`."""
    answer_weighting: Literal["token", "sqrt", "row"] = "sqrt"
    """What an answer of n tokens weighs: n, the square root of n, or 1. With `token`, labels drown among sentences."""
    max_length: int = Field(default=1024, ge=32)
    """Prompt and answer together, in tokens."""
    too_long: Literal["shorten", "drop", "refuse"] = "shorten"
    """A longer row has its prompt's data cut as serving cuts it, or is dropped and counted, or ends the run. An answer
    is never cut."""
    packing: bool = False
    """Put several rows into one sequence, none of which sees another."""
    group_by_length: bool = True
    """Rows of like length in one step: less padding. Has no effect with packing."""
    tokens_at_once: int | None = Field(default=None, ge=1)
    """Tokens of a batch, padding included, beyond which it is computed in parts of whole rows: the same step with less
    memory. By default 3072 on a CPU, which keeps it busy, and no limit on a GPU."""
    attention: str | None = None
    """Attention implementation of transformers: sdpa, eager, flash_attention_2, ... By default the library's choice."""
    precision: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    """Of the computation. By default bfloat16 where the machine has it, else float16 on a GPU and float32 on a CPU."""
    device: Literal["auto", "cpu"] = "auto"
    threads: int | None = Field(default=None, ge=1)
    """Of a run on a CPU. By default OMP_NUM_THREADS, or the cores that are free at its first start; all its sittings
    have as many, since sums are rounded otherwise with another number."""
    time_budget: Annotated[float | None, BeforeValidator(_as_seconds)] = None
    """Time for one sitting, as 25m or 1h30m: then the state is saved and the command ends; given again, it goes on."""
    gradient_checkpointing: bool = False
    """Compute activations again instead of keeping them: a third more time, a fraction of the memory."""
    seed: int = Field(default=0, ge=0)
    save_every: int = Field(default=100, ge=1)
    """Steps."""
    keep: int = Field(default=2, ge=2)
    """Saved states that stay, the best one included. Two, so that one is whole while another is written."""
    log_every: int = Field(default=10, ge=1)
    """Steps."""
    report_to: Annotated[tuple[Literal["wandb", "mlflow", "tensorboard"], ...], BeforeValidator(_as_list)] = ()
    """Where losses and rates go beside the run's folder, by transformers' own callbacks, which read their variables
    (WANDB_PROJECT, MLFLOW_TRACKING_URI, ...). The package must be installed."""

    @model_validator(mode="after")
    def _best_can_be_kept(self) -> "FinetuneConfig":
        if self.validation and self.save_every % self.evaluation.every:
            raise ValueError(
                f"save_every ({self.save_every}) must be a multiple of evaluation.every ({self.evaluation.every}), "
                "or the best state could not be kept"
            )
        if self.evaluation.patience is not None and not self.validation:
            raise ValueError("evaluation.patience needs 'validation' rows to look at")
        return self

    def refuse_missing_reporters(self) -> None:
        """Refuse to report to what is not installed.

        Raises:
            SetupError: naming the package.
        """
        for name in self.report_to:
            if find_spec(name) is None:
                raise SetupError(f"report_to: {name} is not installed: pip install {name}, or leave it out")

    @property
    def encoded_folder(self) -> Path:
        """Where encoded rows are kept for the next sitting, and for other runs with outputs in the same folder."""
        return self.run_folder.with_name("encoded")

    @property
    def run_folder(self) -> Path:
        """Where the state and the logs stand."""
        return self.run or self.output.with_name(f"{self.output.name}.run")
