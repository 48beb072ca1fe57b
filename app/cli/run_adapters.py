"""`shopbench adapters`: combine adapters by weights, or by gates that are learnt."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from app.cli.output import stderr, stdout, track_steps, waiting
from app.cli.run_train import needing_train_extra
from app.errors import SetupError


@dataclass(frozen=True, slots=True)
class Wish:
    """The options of `combine`, not yet looked at."""

    how: str
    density: float
    rank: int | None
    seed: int


def combine_adapters(adapters: Sequence[Path], weights: str | None, wish: Wish, out: Path, model: str | None) -> None:
    """Write the combination and say what it is.

    Raises:
        SetupError: the adapters or the weights do not fit.
    """
    shares = _numbers(weights) if weights else [1 / len(adapters)] * len(adapters)
    with waiting("Loading the training libraries"), needing_train_extra():
        from app.train.adapters.combine import METHODS, Combination, combine

    method = next(method for method in METHODS if method == wish.how)
    done = combine(adapters, shares, Combination(method, wish.density, wish.rank, wish.seed), out, model)
    stderr.print(f"{out}: {done['method']} of {len(adapters)} adapters, rank {done['rank']}", markup=False)


def learn_adapter_gates(*, adapters: Sequence[Path], data: Sequence[Path], output: Path, **options: Any) -> None:  # noqa: ANN401 - the fields of GateSettings
    """Learn gates, write one adapter a task, and print shares and losses.

    Raises:
        SetupError: the adapters, the model or the output do not allow it.
        InputError: a row cannot be used.
    """
    with waiting("Loading the training libraries"), needing_train_extra():
        from app.train.adapters.learning import GateSettings, learn_gates

    settings = GateSettings(tuple(adapters), tuple(data), output, **options)
    with track_steps(settings.steps, "Learning gates") as advance:
        gates = learn_gates(settings, lambda _step, _loss: advance(1))
    table = Table(title="Share of each adapter, and loss on other rows (nats a token)", title_justify="left")
    names = [path.name for path in adapters]
    for heading in (settings.by.replace("_", " "), *(f"share of {name}" for name in names)):
        table.add_column(heading)
    for heading in next(iter(gates.values())).losses:
        table.add_column(heading, justify="right")
    for task, gate in gates.items():
        losses = (f"{loss:.4f}" for loss in gate.losses.values())
        table.add_row(task, *(f"{share:.2f}" for share in gate.shares), *losses)
    stdout.print(table)
    served = ", ".join(f"{task}: {output / task}" for task in gates)
    line = f"serve them with engine_settings: {{adapters: {{{served}}}}}"
    if settings.by == "task_type":
        line += f" and task_adapters: {{{', '.join(f'{task}: {task}' for task in gates)}}}"
    stderr.print(line, markup=False, soft_wrap=True)


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise SetupError(f"--weights are numbers with commas between, such as 0.7,0.3, not {text!r}") from error
