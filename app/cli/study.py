"""`shopbench study`: the paper's experiments as a grid of cells, in as many sittings as it takes."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.options import command_group
from app.cli.output import progress_bar, stderr, stdout, table_of, told
from app.cli.train import OUT_OF_TIME, TrainingProgress, loading_training_libraries
from app.process import Interruption, parse_duration

if TYPE_CHECKING:
    from app.studies.plan import Study

cli = command_group("study", "The paper's experiments: does diversity help, and does capacity amplify it?")

Config = Annotated[Path, typer.Option("--config", "-c", help="YAML file of the study, see configs/study.yaml.")]
DEFAULT = Path("configs/study.yaml")


@cli.command(
    epilog="Examples:\n\n  shopbench study run --config configs/study.yaml --time-budget 100m\n\n"
    "  shopbench study run --dry-run\n\nExit codes: 0 done; 2 a setting, a file or the disk must be mended; 75 the "
    "time budget is used up, 130 interrupted, 143 terminated: what is done is kept, and the same command goes on."
)
def run(
    config: Config = DEFAULT,
    time_budget: Annotated[
        str, typer.Option(metavar="TIME", help="End this sitting before 25m or 1h30m are over.")
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print cells, rows, tokens and hours, and do nothing.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Train and evaluate the cells that are not done yet. Given again after a stop, it goes on."""
    study = _read(config)
    if dry_run:
        _print_plan(study)
        return
    budget = parse_duration(time_budget) if time_budget else None
    with loading_training_libraries():
        from transformers.utils import logging

        from app.studies.run import run_study

        logging.set_verbosity_error()
        logging.disable_progress_bar()

    def phase(name: str, total: int) -> Callable[[], object]:
        return partial(bar.advance, bar.add_task(name, total=total))

    shown = stderr.is_terminal and not quiet
    with (
        progress_bar(shown=shown) as bar,
        TrainingProgress(quiet=quiet, lines=False) as progress,
        Interruption(stderr.print) as interruption,
    ):
        sitting = run_study(study, progress, interruption, phase, budget)
    if not quiet:
        rest = f"{sitting.left} left: give the same command again" if sitting.left else "none left"
        stderr.print(f"{sitting.done} cells done, {rest} -> {study.results}", markup=False, soft_wrap=True)
    if sitting.out_of_time or interruption.requested:
        raise typer.Exit(interruption.exit_code if interruption.requested else OUT_OF_TIME)


@cli.command(epilog="Example:  shopbench study status --config configs/study.yaml")
def status(config: Config = DEFAULT) -> None:
    """Show what is done, what is left, and how long that takes."""
    study = _read(config)
    with loading_training_libraries():
        from app.studies.run import status as by_seed

    table = table_of(f"{study.name} -> {study.results}", "seed", numbers=("cells done", "of", "hours left"))
    found = by_seed(study)
    for one in found:
        table.add_row(str(one.seed), str(one.done), str(one.cells), f"{one.hours_left:.1f}")
    table.add_row(
        "all",
        str(sum(one.done for one in found)),
        str(sum(one.cells for one in found)),
        f"{sum(one.hours_left for one in found):.1f}",
    )
    stdout.print(table)


@cli.command(
    epilog="Examples:\n\n  shopbench study report --config configs/study.yaml\n\n"
    "  shopbench study report --results docs/studies/smollm2-135m"
)
def report(
    config: Config = DEFAULT,
    results: Annotated[
        Path | None, typer.Option(help="Folder of results; none else is read then.", show_default="as CONFIG says")
    ] = None,
) -> None:
    """Write the report of what is done: README.md with pictures, and report.html. No model is asked."""
    from app.studies.report import write_report

    for path in write_report(results or _read(config).results):
        told(path)


def _read(config: Path) -> "Study":
    from app.studies.plan import Study

    return Study.read(config)


def _print_plan(study: "Study") -> None:
    with loading_training_libraries():
        from app.studies.results import Results
        from app.studies.run import estimate

    results = Results(study.results)
    pace = results.pace(study)
    table = table_of(study.name, "cell", "done", numbers=("rows", "minutes"))
    for cell in study.cells:
        done = "yes" if results.done(cell) else ""
        table.add_row(cell.name, done, f"{cell.rows:,}", f"{pace.seconds(cell) / 60:.1f}")
    stdout.print(table)
    found = estimate(study)
    origin = "at the pace of the cells that are done" if found.measured else "as 'expected' says"
    stdout.print(
        f"{found.cells} cells, {found.rows:,} rows to train on, {found.tokens:,.0f} tokens, {found.hours:.1f} hours "
        f"{origin}",
        markup=False,
        soft_wrap=True,
    )
