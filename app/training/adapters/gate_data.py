"""Validation rows for gates: told apart by task, half to learn from and half to measure on, in batches."""

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from app.engines.chat import load_chat_tokenizer
from app.errors import SetupError
from app.prompting import PromptLibrary
from app.training.adapters.gates import Kind, MixedAdapters
from app.training.encoding import RowEncoder
from app.training.finetune.collation import AnswerCollator
from app.training.finetune.examples import IGNORED, encode_rows
from app.training.finetune.rows import PlacedRow, read_data


@dataclass(frozen=True, slots=True)
class GateSettings:
    """What is learnt from what."""

    adapters: tuple[Path, ...]
    data: tuple[Path, ...]
    output: Path
    model: str | None = None
    prompts: Path = Path("prompts")
    by: Literal["task_type", "capability"] = "task_type"
    """What has a gate of its own. Serving knows a question's task type, not its capability."""
    kind: Kind = "constant"
    steps: int = 100
    batch_size: int = 8
    max_length: int = 1024
    seed: int = 0


@dataclass(frozen=True, slots=True)
class GateBatch:
    """Tensors of a batch of rows."""

    inputs: dict[str, torch.Tensor]
    """What the network takes, labels included."""
    weights: torch.Tensor
    """Of the predicted tokens, (rows, tokens - 1)."""
    tasks: torch.Tensor
    """Task numbers (rows)."""
    features: torch.Tensor
    """The questions as vectors (rows, width)."""


def task_key(placed: PlacedRow, settings: GateSettings) -> str:
    """The name of the gate that the row belongs to."""
    row = placed.row
    return row.task_type.value if settings.by == "task_type" else row.capability.value


def split_rows(settings: GateSettings, base: str) -> tuple[list[str], list[PlacedRow], list[PlacedRow]]:
    """The tasks, the rows to learn from and the rows to measure on: half of each task's, by the seed.

    Raises:
        SetupError: a task has one row only.
        InputError: a file cannot be used.
    """
    rows, _ = read_data(settings.data, ())
    encoder = RowEncoder(load_chat_tokenizer(base), PromptLibrary(settings.prompts), settings.max_length)
    kept = set(encode_rows(rows, encoder, "sqrt", "drop").places)
    by_task: defaultdict[str, list[PlacedRow]] = defaultdict(list)
    for placed in rows:
        if placed.place in kept:
            by_task[task_key(placed, settings)].append(placed)
    learning, measuring = [], []
    for name, listed in sorted(by_task.items()):
        if len(listed) < 2:
            raise SetupError(f"{name} has one row only; give more with --data, to learn from and to measure on")
        random.Random(f"{settings.seed}/{name}").shuffle(listed)
        learning += listed[::2]
        measuring += listed[1::2]
    return sorted(by_task), learning, measuring


def make_batches(
    mixed: MixedAdapters, rows: Sequence[PlacedRow], tasks: list[str], settings: GateSettings
) -> list[GateBatch]:
    """The rows in batches, shuffled by the seed."""
    tokenizer = load_chat_tokenizer(mixed.network.base_model.model.name_or_path)
    encoder = RowEncoder(tokenizer, PromptLibrary(settings.prompts), settings.max_length)
    examples = encode_rows(rows, encoder, "sqrt", "drop").data
    order = list(range(len(rows)))
    random.Random(settings.seed).shuffle(order)
    collate = AnswerCollator(tokenizer.end_ids[0])
    batches = []
    for first in range(0, len(order), settings.batch_size):
        chosen = order[first : first + settings.batch_size]
        batch = {name: value.to(mixed.device) for name, value in collate([examples[place] for place in chosen]).items()}
        batch.pop("capability")
        weights = batch.pop("weights")[:, 1:]
        prompt = batch["attention_mask"] * (batch["labels"] == IGNORED)
        with torch.no_grad():
            features = mixed.features(batch["input_ids"], prompt)
        numbers = torch.tensor([tasks.index(task_key(rows[place], settings)) for place in chosen], device=mixed.device)
        batches.append(GateBatch(batch, weights, numbers, features))
    return batches
