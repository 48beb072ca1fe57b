"""Learn gates on validation rows with frozen adapters, measure them on other rows, and write one adapter a task."""

import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import torch
from transformers import AutoModelForCausalLM, set_seed
from trl.trainer.utils import add_fused_lm_head

from app.engines.chat import load_chat_tokenizer
from app.engines.checkpoint import check_checkpoint
from app.errors import SetupError
from app.prompting import PromptLibrary
from app.training.adapters.combine import Combination, adapter_names, check_adapters, combine, load_adapters
from app.training.adapters.gates import Gates, Kind, MixedAdapters
from app.training.encoding import RowEncoder
from app.training.finetune.collation import AnswerCollator
from app.training.finetune.examples import IGNORED, encode_rows
from app.training.finetune.rows import PlacedRow, read_data

SUMMARY = "gates.json"
RATES = {"constant": 0.1, "request": 0.02}
"""Learning rates of Adam, by kind of gate."""


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
class TaskGate:
    """One task's gate as it is exported, and what it is worth on rows that it was not learnt on."""

    shares: tuple[float, ...]
    """One for each adapter, sum 1: the gate's mean over the task's learning rows."""
    learnt_on: int
    measured_on: int
    """Rows."""
    losses: dict[str, float]
    """Nats an answer token on the measured rows: each adapter alone, all alike, the gate, and the exported adapter."""
    adapter: str
    """Folder of the exported adapter, beside this file."""


@dataclass(frozen=True, slots=True)
class _Batch:
    inputs: dict[str, torch.Tensor]
    weights: torch.Tensor
    tasks: torch.Tensor
    features: torch.Tensor


Shares = Callable[[_Batch], torch.Tensor]
"""The share of each adapter in each row: (rows, experts)."""


def learn_gates(settings: GateSettings, report: Callable[[int, float], None]) -> dict[str, TaskGate]:
    """Learn, measure and export. `report` hears of each step and its loss.

    Raises:
        SetupError: the adapters, the model or the output do not allow it.
        InputError: a row cannot be used, or a task has too few.
    """
    configs = check_adapters(settings.adapters)
    if settings.output.exists():
        raise SetupError(f"{settings.output} is there already: remove it or name another folder")
    base = settings.model or str(configs[0]["base_model_name_or_path"])
    check_checkpoint(base)
    mixed = _load(base, settings)
    tasks, learning, measuring = _split(settings, base)
    gates = Gates(settings.kind, len(tasks), mixed.experts, mixed.network.config.hidden_size).to(_device())
    batches = _batches(mixed, learning, tasks, settings)
    _fit(gates, mixed, batches, settings, report)
    found = _export(gates, mixed, (tasks, batches, _batches(mixed, measuring, tasks, settings)), settings, base)
    counts = {name: (_count(learning, name, settings), _count(measuring, name, settings)) for name in tasks}
    result = {name: TaskGate(shares, *counts[name], losses, name) for name, (shares, losses) in found.items()}
    _write(result, settings, base)
    return result


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _load(base: str, settings: GateSettings) -> MixedAdapters:
    dtype = torch.bfloat16 if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else torch.float32
    set_seed(settings.seed)
    network = AutoModelForCausalLM.from_pretrained(base, dtype=dtype).to(_device())
    add_fused_lm_head(network)
    return MixedAdapters(load_adapters(network, settings.adapters), adapter_names(len(settings.adapters)))


def _key(placed: PlacedRow, settings: GateSettings) -> str:
    row = placed.row
    return row.task_type.value if settings.by == "task_type" else row.capability.value


def _split(settings: GateSettings, base: str) -> tuple[list[str], list[PlacedRow], list[PlacedRow]]:
    """The tasks, the rows to learn from and the rows to measure on: half of each task's, by the seed."""
    rows, _ = read_data(settings.data, ())
    encoder = RowEncoder(load_chat_tokenizer(base), PromptLibrary(settings.prompts), settings.max_length)
    kept = set(encode_rows(rows, encoder, "sqrt", "drop").places)
    by_task: defaultdict[str, list[PlacedRow]] = defaultdict(list)
    for placed in rows:
        if placed.place in kept:
            by_task[_key(placed, settings)].append(placed)
    learning, measuring = [], []
    for name, listed in sorted(by_task.items()):
        if len(listed) < 2:
            raise SetupError(f"{name} has one row only; give more with --data, to learn from and to measure on")
        random.Random(f"{settings.seed}/{name}").shuffle(listed)
        learning += listed[::2]
        measuring += listed[1::2]
    return sorted(by_task), learning, measuring


def _batches(mixed: MixedAdapters, rows: Sequence[PlacedRow], tasks: list[str], settings: GateSettings) -> list[_Batch]:
    tokenizer = load_chat_tokenizer(mixed.network.base_model.model.name_or_path)
    encoder = RowEncoder(tokenizer, PromptLibrary(settings.prompts), settings.max_length)
    examples = encode_rows(rows, encoder, "sqrt", "drop").data
    order = list(range(len(rows)))
    random.Random(settings.seed).shuffle(order)
    collate = AnswerCollator(tokenizer.end_ids[0])
    batches = []
    for first in range(0, len(order), settings.batch_size):
        chosen = order[first : first + settings.batch_size]
        batch = {name: value.to(_device()) for name, value in collate([examples[place] for place in chosen]).items()}
        batch.pop("capability")
        weights = batch.pop("weights")[:, 1:]
        prompt = batch["attention_mask"] * (batch["labels"] == IGNORED)
        with torch.no_grad():
            features = mixed.features(batch["input_ids"], prompt)
        numbers = torch.tensor([tasks.index(_key(rows[place], settings)) for place in chosen], device=_device())
        batches.append(_Batch(batch, weights, numbers, features))
    return batches


def _token_losses(mixed: MixedAdapters, batch: _Batch, shares: torch.Tensor) -> torch.Tensor:
    """Negative log-likelihoods (rows, tokens), zero where nothing is learnt."""
    mixed.shares = shares
    losses: torch.Tensor = -mixed.network(**batch.inputs, use_cache=False, fused_lm_head=True).log_probs
    return losses


def _fit(
    gates: Gates,
    mixed: MixedAdapters,
    batches: Sequence[_Batch],
    settings: GateSettings,
    report: Callable[[int, float], None],
) -> None:
    optimizer = torch.optim.Adam(gates.parameters(), lr=RATES[settings.kind])
    for step, batch in enumerate(_endless(batches, settings), start=1):
        losses = _token_losses(mixed, batch, gates(batch.tasks, batch.features))
        loss = (losses * batch.weights).sum() / batch.weights.sum()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        report(step, float(loss.detach()))


def _endless(batches: Sequence[_Batch], settings: GateSettings) -> Iterator[_Batch]:
    rng = random.Random(settings.seed)
    given = 0
    while given < settings.steps:
        for batch in rng.sample(batches, len(batches))[: settings.steps - given]:
            given += 1
            yield batch


@torch.no_grad()
def _export(
    gates: Gates,
    mixed: MixedAdapters,
    data: tuple[list[str], Sequence[_Batch], Sequence[_Batch]],
    settings: GateSettings,
    base: str,
) -> dict[str, tuple[tuple[float, ...], dict[str, float]]]:
    """Each task's mean shares, written as one adapter, and its losses on the measured rows."""
    tasks, learning, measuring = data
    means = _mean_shares(gates, learning, len(tasks))
    ways: dict[str, Shares] = {
        path.name: _fixed(torch.eye(mixed.experts, device=_device())[number].expand(len(tasks), -1))
        for number, path in enumerate(settings.adapters)
    }
    ways["all alike"] = _fixed(torch.full_like(means, 1 / mixed.experts))
    ways["gate"] = lambda batch: gates(batch.tasks, batch.features)
    ways["exported"] = _fixed(means)
    losses = {name: _mean_losses(mixed, measuring, way, len(tasks)) for name, way in ways.items()}
    found = {}
    for number, task in enumerate(tasks):
        shares = tuple(round(share, 4) for share in means[number].tolist())
        combine(settings.adapters, means[number].tolist(), Combination("cat"), _new(settings.output / task), base)
        found[task] = (shares, {name: round(values[number], 4) for name, values in losses.items()})
    return found


def _new(folder: Path) -> Path:
    folder.parent.mkdir(parents=True, exist_ok=True)
    return folder


def _fixed(by_task: torch.Tensor) -> Shares:
    return lambda batch: by_task[batch.tasks]


def _mean_shares(gates: Gates, batches: Sequence[_Batch], tasks: int) -> torch.Tensor:
    shares = torch.cat([gates(batch.tasks, batch.features) for batch in batches])
    numbers = torch.cat([batch.tasks for batch in batches])
    return torch.stack([shares[numbers == task].mean(0) for task in range(tasks)])


def _mean_losses(mixed: MixedAdapters, batches: Sequence[_Batch], way: Shares, tasks: int) -> list[float]:
    sums = torch.zeros(tasks, 2, device=_device())
    for batch in batches:
        losses = _token_losses(mixed, batch, way(batch)).float()
        learnt = (batch.weights > 0).sum(1).float()
        sums.index_add_(0, batch.tasks, torch.stack([losses.sum(1), learnt], dim=1))
    return [float(loss / tokens) for loss, tokens in sums]


def _count(rows: Sequence[PlacedRow], task: str, settings: GateSettings) -> int:
    return sum(_key(placed, settings) == task for placed in rows)


def _write(result: dict[str, TaskGate], settings: GateSettings, base: str) -> None:
    summary = {
        "model": base,
        "by": settings.by,
        "kind": settings.kind,
        "steps": settings.steps,
        "seed": settings.seed,
        "adapters": [str(path) for path in settings.adapters],
        "data": [str(path) for path in settings.data],
        "gates": {name: asdict(gate) for name, gate in result.items()},
    }
    (settings.output / SUMMARY).write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
