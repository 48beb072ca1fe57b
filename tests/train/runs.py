"""Small runs on a tiny checkpoint."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from transformers.utils import logging

from app.process import Interruption
from app.settings import ROOT
from app.train.finetune import Ending, finetune
from app.train.recipe import FinetuneConfig
from tests.data.rows import make_rows, write_rows

STEPS = 12
logging.set_verbosity_error()


class Watching:
    """Keeps what it hears, and may do something after a step."""

    def __init__(self, after: Callable[[int], None] = lambda _: None) -> None:
        self.after = after
        self.lines: list[str] = []
        self.losses: list[dict[str, float]] = []
        self.steps: list[int] = []

    def began(self, steps: int, done: int) -> None:
        self.lines.append(f"began {done}/{steps}")

    def stepped(self, step: int) -> None:
        self.steps.append(step)
        self.after(step)

    def logged(self, values: dict[str, float]) -> None:
        self.losses.append(values)

    def said(self, line: str) -> None:
        self.lines.append(line)

    def ended(self) -> None:
        self.lines.append("ended")


def values_for(folder: Path, checkpoint: Path, **changes: object) -> dict[str, Any]:
    """Settings of a run of `STEPS` steps in two epochs, its data beside it."""
    train, validation = folder / "train.jsonl", folder / "validation.jsonl"
    if not train.exists():
        write_rows(train, make_rows(24))
        write_rows(validation, make_rows(10, seed=1))
    return {
        "model": str(checkpoint),
        "train": str(train),
        "validation": str(validation),
        "output": str(folder / "adapter"),
        "prompts": str(ROOT / "prompts"),
        "lora": {"rank": 4, "dropout": 0.1},
        "optimizer": {"learning_rate": 0.01, "steps": STEPS, "batch_size": 2, "accumulation": 2},
        "evaluation": {"every": 4},
        "save_every": 4,
        "log_every": 2,
        "device": "cpu",
        # The same on every machine.
        "precision": "float32",
    } | changes


def run(values: dict[str, Any], watching: Watching | None = None, *, overwrite: bool = False) -> Ending:
    with Interruption(lambda _: None) as interruption:
        return finetune(
            FinetuneConfig.model_validate(values), watching or Watching(), interruption, overwrite=overwrite
        )


def terminate_at(step: int) -> Watching:
    return Watching(lambda done: signal.raise_signal(signal.SIGTERM) if done == step else None)


def same_adapter(one: Path, other: Path) -> bool:
    """Bit for bit."""
    first, second = (load_file(path / "adapter_model.safetensors") for path in (one, other))
    return first.keys() == second.keys() and all(first[name].equal(second[name]) for name in first)
