"""Learn gates on validation rows with frozen adapters, measure them on other rows, and write one adapter a task."""

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain, count, islice
from pathlib import Path
from typing import Literal

import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from torch import nn
from transformers import set_seed

from app.data.encoding import RowEncoder
from app.engines import transformers
from app.engines.chat import load_chat_tokenizer
from app.engines.checkpoint_files import check_checkpoint
from app.errors import SetupError
from app.files import FolderKind, dump, refuse_to_replace, whole_folder
from app.prompting import PromptLibrary
from app.train.adapters import Combination, adapter_names, check_adapters, combine, forms_learnt, load_adapters
from app.train.answers import AnswerLosses
from app.train.batches import PADDING, AnswerCollator
from app.train.examples import IGNORED, PlacedRow, encode_rows, read_data

Kind = Literal["constant", "request"]


class Gates(nn.Module):
    """Shares by task, and with kind "request" by the question as well. All shares are alike at first."""

    def __init__(self, kind: Kind, tasks: int, experts: int, features: int) -> None:
        """`features` is the width of the vector that stands for a question."""
        super().__init__()
        self.kind = kind
        self.bias = nn.Parameter(torch.zeros(tasks, experts))
        if kind == "request":
            self.weight = nn.Parameter(torch.zeros(tasks, experts, features))

    def forward(self, tasks: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        """Shares of shape (rows, experts), each row's sum 1, from task numbers (rows) and features (rows, width)."""
        logits: torch.Tensor = self.bias[tasks]
        if self.kind == "request":
            logits = logits + torch.einsum("ref,rf->re", self.weight[tasks], features)
        return logits.softmax(-1)


class MixedAdapters:
    """A base with several adapters, of which each row of a batch uses all, in shares of its own."""

    def __init__(self, network: PeftModel, names: list[str]) -> None:
        """Freeze everything and put the shares into every adapted layer.

        Raises:
            SetupError: an adapter adapts an embedding, whose update cannot be shared out by row.
        """
        network.base_model.set_adapter(names)
        network.requires_grad_(requires_grad=False)
        network.eval()
        self.network = network
        self.answers = AnswerLosses(network.get_base_model())
        self.experts = len(names)
        self.shares: torch.Tensor | None = None
        """Shape (rows, experts); set it before each forward pass."""
        for module in network.modules():
            if not isinstance(module, LoraLayer):
                continue
            if module.lora_embedding_B:
                raise SetupError("gates cannot mix adapters of embeddings; train with lora.targets: all-linear")
            for number, name in enumerate(names):
                if name in module.lora_B:
                    module.lora_B[name].register_forward_hook(self._share(number))

    @property
    def device(self) -> torch.device:
        """Where the network computes."""
        device: torch.device = next(self.network.parameters()).device
        return device

    def features(self, ids: torch.Tensor, prompt: torch.Tensor) -> torch.Tensor:
        """Questions as vectors (rows, width): the mean of the prompt's input embeddings, scaled to norm sqrt(width)."""
        vectors: torch.Tensor = self.network.get_input_embeddings()(ids).float()
        mean = (vectors * prompt[..., None]).sum(1) / prompt.sum(1, keepdim=True)
        scaled: torch.Tensor = nn.functional.normalize(mean, dim=-1) * mean.shape[-1] ** 0.5
        return scaled

    def _share(self, number: int) -> Callable[[nn.Module, object, torch.Tensor], torch.Tensor]:
        def scale(_module: nn.Module, _inputs: object, output: torch.Tensor) -> torch.Tensor:
            if self.shares is None:
                raise ValueError("no shares were set")
            return output * self.shares[:, number, None, None].to(output.dtype)

        return scale


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


def row_encoder(settings: GateSettings, base: str) -> RowEncoder:
    """As the adapters were trained."""
    prompts = PromptLibrary(settings.prompts)
    return RowEncoder(load_chat_tokenizer(base), prompts, settings.max_length, forms_learnt(settings.adapters))


def split_rows(settings: GateSettings, base: str) -> tuple[list[str], list[PlacedRow], list[PlacedRow]]:
    """The tasks, the rows to learn from and the rows to measure on: half of each task's, by the seed.

    Raises:
        SetupError: a task has one row only.
        InputError: a file cannot be used.
    """
    rows, _ = read_data(settings.data, ())
    kept = dict.fromkeys(encode_rows(rows, row_encoder(settings, base), "sqrt", "drop").kept)
    by_task: defaultdict[str, list[PlacedRow]] = defaultdict(list)
    for placed in map(rows.__getitem__, kept):
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
    base = mixed.network.base_model.model.name_or_path
    examples = encode_rows(rows, row_encoder(settings, base), "sqrt", "drop")
    order = list(range(len(examples.kept)))
    random.Random(settings.seed).shuffle(order)
    collate = AnswerCollator(load_chat_tokenizer(base).end_ids[0])
    batches = []
    for first in range(0, len(order), settings.batch_size):
        chosen = order[first : first + settings.batch_size]
        batch = {
            name: value.to(mixed.device) for name, value in collate([examples.data[place] for place in chosen]).items()
        }
        capability = batch.pop("capability")
        weights = batch.pop("weights")[:, 1:]
        prompt = (capability != PADDING) & (batch["labels"] == IGNORED)
        with torch.no_grad():
            features = mixed.features(batch["input_ids"], prompt)
        keys = [task_key(rows[examples.kept[place]], settings) for place in chosen]
        numbers = torch.tensor([tasks.index(key) for key in keys], device=mixed.device)
        batches.append(GateBatch(batch, weights, numbers, features))
    return batches


SUMMARY = "gates.json"
GATES = FolderKind("folder of gates", SUMMARY)
RATES = {"constant": 0.1, "request": 0.02}
"""Learning rates of Adam, by kind of gate."""


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


Shares = Callable[[GateBatch], torch.Tensor]
"""The share of each adapter in each row: (rows, experts)."""


def learn_gates(settings: GateSettings, report: Callable[[int, float], None]) -> dict[str, TaskGate]:
    """Learn, measure and export. `report` hears of each step and its loss.

    Raises:
        SetupError: the adapters, the model or the output do not allow it.
        InputError: a row cannot be used, or a task has too few.
    """
    configs = check_adapters(settings.adapters)
    refuse_to_replace(settings.output, GATES, overwrite=None)
    base = settings.model or str(configs[0]["base_model_name_or_path"])
    check_checkpoint(base)
    set_seed(settings.seed)
    dtype = torch.bfloat16 if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else torch.float32
    network = transformers.load_network(base, dtype=dtype).to(_device())
    mixed = MixedAdapters(load_adapters(network, settings.adapters), adapter_names(len(settings.adapters)))
    tasks, learning, measuring = split_rows(settings, base)
    gates = Gates(settings.kind, len(tasks), mixed.experts, mixed.network.config.hidden_size).to(_device())
    batches = make_batches(mixed, learning, tasks, settings)
    _fit(gates, mixed, batches, settings, report)
    learnt, counted = (Counter(task_key(placed, settings) for placed in rows) for rows in (learning, measuring))
    measured = make_batches(mixed, measuring, tasks, settings)
    shares = _mean_shares(gates, batches, len(tasks))
    losses = _losses(gates, mixed, measured, shares, settings)
    result = {
        task: TaskGate(
            tuple(round(share, 4) for share in shares[number].tolist()),
            learnt[task],
            counted[task],
            {name: round(values[number], 4) for name, values in losses.items()},
            task,
        )
        for number, task in enumerate(tasks)
    }
    _export(result, shares.tolist(), settings, base)
    return result


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _token_losses(mixed: MixedAdapters, batch: GateBatch, shares: torch.Tensor) -> torch.Tensor:
    """Negative log-likelihoods (rows, tokens), zero where nothing is learnt."""
    mixed.shares = shares
    return mixed.answers(mixed.network, batch.inputs)


def _fit(
    gates: Gates,
    mixed: MixedAdapters,
    batches: Sequence[GateBatch],
    settings: GateSettings,
    report: Callable[[int, float], None],
) -> None:
    optimizer = torch.optim.Adam(gates.parameters(), lr=RATES[settings.kind])
    rng = random.Random(settings.seed)
    order = chain.from_iterable(rng.sample(batches, len(batches)) for _ in count())
    for step, batch in enumerate(islice(order, settings.steps), start=1):
        losses = _token_losses(mixed, batch, gates(batch.tasks, batch.features))
        loss = (losses * batch.weights).sum() / batch.weights.sum()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        report(step, float(loss.detach()))


def _losses(
    gates: Gates, mixed: MixedAdapters, batches: Sequence[GateBatch], means: torch.Tensor, settings: GateSettings
) -> dict[str, list[float]]:
    """What each way to mix is worth, by task."""
    alone = torch.eye(mixed.experts, device=mixed.device)
    # Folders may be called alike.
    distinct = len({path.name for path in settings.adapters}) == len(settings.adapters)
    names = [path.name if distinct else str(path) for path in settings.adapters]
    ways: dict[str, Shares] = {name: _fixed(alone[number].expand_as(means)) for number, name in enumerate(names)}
    ways["all alike"] = _fixed(torch.full_like(means, 1 / mixed.experts))
    ways["gate"] = lambda batch: gates(batch.tasks, batch.features)
    ways["exported"] = _fixed(means)
    return {name: _mean_losses(mixed, batches, way, len(means)) for name, way in ways.items()}


def _export(gates: Mapping[str, TaskGate], shares: list[list[float]], settings: GateSettings, base: str) -> None:
    """Each task's adapter and `gates.json`, all or nothing."""
    summary = {
        "model": base,
        "by": settings.by,
        "kind": settings.kind,
        "steps": settings.steps,
        "seed": settings.seed,
        "adapters": [str(path) for path in settings.adapters],
        "data": [str(path) for path in settings.data],
        "gates": {name: asdict(gate) for name, gate in gates.items()},
    }
    with whole_folder(settings.output, GATES, overwrite=None) as made:
        for task, weights in zip(gates, shares, strict=True):
            combine(settings.adapters, weights, Combination("cat"), made / task, base)
        (made / SUMMARY).write_text(dump(summary, indent=2) + "\n", encoding="utf-8")


def _fixed(by_task: torch.Tensor) -> Shares:
    return lambda batch: by_task[batch.tasks]


@torch.no_grad()
def _mean_shares(gates: Gates, batches: Sequence[GateBatch], tasks: int) -> torch.Tensor:
    shares = torch.cat([gates(batch.tasks, batch.features) for batch in batches])
    numbers = torch.cat([batch.tasks for batch in batches])
    return torch.stack([shares[numbers == task].mean(0) for task in range(tasks)])


@torch.no_grad()
def _mean_losses(mixed: MixedAdapters, batches: Sequence[GateBatch], way: Shares, tasks: int) -> list[float]:
    sums = torch.zeros(tasks, 2, device=_device())
    for batch in batches:
        losses = _token_losses(mixed, batch, way(batch)).float()
        learnt = (batch.weights > 0).sum(1).float()
        sums.index_add_(0, batch.tasks, torch.stack([losses.sum(1), learnt], dim=1))
    return [float(loss / tokens) for loss, tokens in sums]
