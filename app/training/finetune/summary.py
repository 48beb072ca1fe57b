"""`training.json`: what a finished run was, for its card and for whoever asks later."""

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

import torch
from accelerate import PartialState

from app.batch.request_key import Identity
from app.evaluation.provenance import git_revision
from app.training.finetune.rows import DataFile
from app.training.finetune.settings import FinetuneConfig
from app.training.finetune.trainer import EVALUATION_LOSS, LOSS

LIBRARIES = ("accelerate", "datasets", "peft", "torch", "transformers", "trl")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run came, and how long it took."""

    steps: int
    epochs: float
    seconds: float
    best_step: int | None
    tokens: int
    """Of one epoch."""
    parameters: int
    trained_parameters: int


def training_summary(
    config: FinetuneConfig,
    identity: Identity,
    files: tuple[Sequence[DataFile], Sequence[DataFile]],
    counts: Mapping[str, Mapping[str, int]],
    progress: Progress,
    log: Sequence[Mapping[str, Any]],
) -> dict[str, object]:
    """Everything that a card tells: settings, data, losses, machine and versions."""
    train, validation = files
    return {
        "settings": config.model_dump(mode="json"),
        "model": config.model,
        "model_revision": identity["model revision"],
        "prompts": identity["prompts"],
        "data": {
            "train": [asdict(file) for file in train],
            "validation": [asdict(file) for file in validation],
            "counts": {name: dict(sorted(values.items())) for name, values in counts.items()},
        },
        "progress": asdict(progress),
        "losses": _losses(log, progress.best_step),
        "machine": _machine(),
        "versions": {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES},
        "revision": git_revision(),
    }


def summary_text(summary: Mapping[str, object]) -> str:
    """The file's text."""
    return json.dumps(summary, indent=2, ensure_ascii=False) + "\n"


def _losses(log: Sequence[Mapping[str, Any]], best_step: int | None) -> dict[str, object]:
    """Mean negative log-likelihood of an answer token, nats; by capability, where rows of it were seen."""
    training = [line for line in log if LOSS in line]
    evaluations = [line for line in log if EVALUATION_LOSS in line]
    best = next((line for line in reversed(evaluations) if line["step"] == best_step), None)
    return {
        "first": _of(training[0], LOSS) if training else None,
        "last": _of(training[-1], LOSS) if training else None,
        "first_evaluation": _of(evaluations[0], EVALUATION_LOSS) if evaluations else None,
        "best_evaluation": _of(best, EVALUATION_LOSS) if best else None,
    }


def _of(line: Mapping[str, Any], name: str) -> dict[str, float]:
    return {"step": line["step"]} | {key: round(value, 5) for key, value in line.items() if key.startswith(name)}


def _machine() -> dict[str, object]:
    gpus = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "gpus": gpus,
        "threads": torch.get_num_threads(),
        "processes": PartialState().num_processes,
    }
