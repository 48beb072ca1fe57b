"""`shopbench train`: a run with its progress, its signals and its last words."""

import os
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

import typer
from rich.console import Group
from rich.live import Live
from rich.markup import escape
from rich.progress import TextColumn
from rich.table import Table

from app.cli.output import progress_bar, stderr, stdout, waiting
from app.errors import InputError, SetupError
from app.process import Interruption, parse_duration

if TYPE_CHECKING:
    from app.train.finetune import Ending
    from app.train.recipe import FinetuneConfig

cli = typer.Typer()

EXIT_CODES = (
    "Exit codes: 0 done; 2 a setting, a file or the disk must be mended; 75 the time budget is used up, 130 "
    "interrupted, 143 terminated: the state is saved, and the same command goes on."
)
OUT_OF_TIME = 75
"""EX_TEMPFAIL of sysexits.h: try again later."""
LIBRARIES = frozenset(
    {"accelerate", "datasets", "peft", "safetensors", "statsmodels", "tensorboard", "torch", "transformers", "trl"}
)
TRAINING, EVALUATION, SPEED = "answer_loss", "eval_loss", "tokens_per_second"
WINDOW = 600
"""Seconds from which the time left is estimated."""


@cli.command(
    epilog="Examples:\n\n  shopbench train configs/lora.yaml\n\n"
    "  shopbench train --set model=weights/shopbench-135m --set train=own.json --set output=runs/own --dry-run\n\n"
    "  accelerate launch --num_processes 8 -m app train configs/72b-qlora.yaml\n\n" + EXIT_CODES
)
def train(
    config: Annotated[
        Path | None,
        typer.Argument(metavar="[CONFIG]", help="YAML file of settings, see configs/lora.yaml.", show_default=False),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="A setting, as in CONFIG: lora.rank=8. Can be given again.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the settings and all rows, show three of them, and write nothing.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Start afresh: drop the run's states and its output.")
    ] = False,
    time_budget: Annotated[
        str, typer.Option(metavar="TIME", help="End this sitting before 25m or 1h30m are over, with the state saved.")
    ] = "",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Fine-tune a model with LoRA, QLoRA or whole. Given again after a stop, it goes on."""
    from app.train.recipe import FinetuneConfig

    if config is None and not changes:
        raise SetupError("name a file of settings, see configs/lora.yaml, or give --set model=... train=... output=...")
    settings = FinetuneConfig.read(config, changes or ())
    if time_budget:
        settings = settings.model_copy(update={"time_budget": parse_duration(time_budget)})
    if dry_run:
        _show_preview(settings)
        return
    with loading_training_libraries():
        from transformers.utils import logging

        from app.train.finetune import finetune

        logging.set_verbosity_error()
        logging.disable_progress_bar()
    with TrainingProgress(quiet=quiet) as progress, Interruption(stderr.print) as interruption:
        ending = finetune(settings, progress, interruption, overwrite=overwrite)
    if ending.finished and not ending.already and ending.first:
        _write_card(settings)
    if not quiet:
        stderr.print(escape(_last_words(settings, ending)), soft_wrap=True)
    if not ending.finished:
        raise typer.Exit(OUT_OF_TIME if ending.out_of_time else interruption.exit_code)


@contextmanager
def loading_training_libraries() -> Iterator[None]:
    """Around imports of the training libraries: a missing one is told with the command that installs it.

    Raises:
        SetupError: one is missing.
    """
    # Threads that wait busily take the time of whatever else runs. Read when PyTorch loads its OpenMP.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        with waiting("Loading the training libraries"):
            yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] not in LIBRARIES:
            raise
        raise SetupError(
            f"training needs {error.name}, which is not installed: pip install 'shopbench[train]'"
        ) from error


class TrainingProgress:
    """A watcher (`app.train.callbacks.Watcher`) for people."""

    def __init__(self, *, quiet: bool, lines: bool = True) -> None:
        """Without `lines`, losses are shown on a terminal only."""
        self._quiet = quiet
        self._lines = lines and not quiet
        self._bar = progress_bar(TextColumn("steps"), WINDOW)
        self._live: Live | None = None
        self._losses: dict[str, dict[str, float]] = {TRAINING: {}, EVALUATION: {}}
        self._speed = 0.0
        self._steps = self._first = self._step = 0
        self._began = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.ended()

    def began(self, steps: int, done: int) -> None:
        """Show the bar; the time left counts from here."""
        self._steps, self._first, self._step, self._began = steps, done, done, time.monotonic()
        if stderr.is_terminal and not self._quiet:
            self._task = self._bar.add_task("Training", total=steps, completed=done)
            self._live = Live(self._view(), console=stderr, refresh_per_second=4)
            self._live.start()

    def stepped(self, step: int) -> None:
        """One step further."""
        self._step = step
        if self._live is not None:
            self._bar.update(self._task, completed=step)

    def logged(self, values: dict[str, float]) -> None:
        """Show the losses: in the table on a terminal, as a line in a pipe."""
        self._speed = values.get(SPEED, self._speed)
        for kind, shown in self._losses.items():
            found = {name: value for name, value in values.items() if name.split("/")[0] == kind}
            if not found:
                continue
            shown.update(found)
            if self._live is None and self._lines:
                stderr.print(escape(self._line(kind, found)), soft_wrap=True)
        if self._live is not None:
            self._live.update(self._view())

    def said(self, line: str) -> None:
        """Above the bar."""
        if not self._quiet:
            stderr.print(escape(line), soft_wrap=True)

    def ended(self) -> None:
        """Leave the last view on the terminal."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _line(self, kind: str, values: dict[str, float]) -> str:
        parts = [f"step {self._step:,}/{self._steps:,}", f"{kind} {values[kind]:.4f}"]
        parts += [f"{name.split('/')[1]} {value:.4f}" for name, value in values.items() if "/" in name]
        if self._speed:
            parts.append(f"{self._speed:,.0f} tokens/s")
        if self._step > self._first:
            left = (time.monotonic() - self._began) / (self._step - self._first) * (self._steps - self._step)
            parts.append(f"{left / 60:.1f} min left")
        return "  ".join(parts)

    def _view(self) -> Group:
        table = Table(box=None, pad_edge=False)
        names = ["", *sorted({name.split("/")[1] for found in self._losses.values() for name in found if "/" in name})]
        table.add_column("loss, nats a token")
        for name in names:
            table.add_column(name.replace("_", " ") or "all", justify="right")
        for kind, label in ((TRAINING, "training"), (EVALUATION, "validation")):
            if found := self._losses[kind]:
                keys = [f"{kind}/{name}" if name else kind for name in names]
                table.add_row(label, *(f"{found[key]:.4f}" if key in found else "-" for key in keys))
        return Group(self._bar, table, f"{self._speed:,.0f} tokens/s" if self._speed else "")


def _show_preview(config: "FinetuneConfig") -> None:
    with loading_training_libraries():
        from app.train.preview import preview
    with waiting("Reading and encoding the rows"):
        found = preview(config)
    for line in found.lines:
        stdout.print(line, markup=False, soft_wrap=True)
    for row in found.rows:
        stdout.print(f"\n--- {row.place}: {row.task_type}", markup=False, soft_wrap=True)
        stdout.print(row.prompt, markup=False, soft_wrap=True, end="")
        stdout.print(f"\n--- learnt\n{row.answer}", markup=False, soft_wrap=True)
    stderr.print(f"nothing was written; {config.output} is made without --dry-run", markup=False, soft_wrap=True)


def _write_card(config: "FinetuneConfig") -> None:
    """The card is from the run's own records; where one of them cannot be read, the run is none the worse for it."""
    from app.checkpoints.card import CardRequest, mixture_of, write_card

    try:
        write_card(CardRequest(config.output, config.output.name, mixture=mixture_of(config.output)))
    except (SetupError, InputError) as error:
        stderr.print(f"no card was written: {error}", markup=False, soft_wrap=True)


def _last_words(config: "FinetuneConfig", ending: "Ending") -> str:
    if not ending.finished:
        return f"stopped after step {ending.step:,} of {ending.steps:,}: give the same command again to go on"
    model = config.output if config.method == "full" else config.run_folder / "serve.yaml"
    serve = f"shopbench serve {'--model' if config.method == 'full' else '--config'} {shlex.quote(str(model))}"
    if ending.already:
        return f"{config.output} was finished before, in {ending.steps:,} steps; --overwrite trains it afresh\n{serve}"
    return f"{config.output}, with its card: serve it with\n{serve}"
