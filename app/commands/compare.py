"""`shopbench compare`: whether a change helped."""

from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from app.commands.evaluate import interval_text
from app.commands.output import stderr, stdout, waiting
from app.errors import InputError
from app.evaluation.compare import compare
from app.evaluation.comparison_page import render_comparison
from app.evaluation.comparison_schema import Comparison, GroupComparison, TaskComparison, Verdict
from app.whole_file import write_whole

_VERDICT_STYLES = {Verdict.ROSE: "green", Verdict.FELL: "red", Verdict.UNDECIDED: "dim"}


def run_comparison(folder_a: Path, folder_b: Path, page: Path | None, alpha: float, seed: int) -> Comparison:
    """Judge B against A, print the table, and write the page if one is asked for.

    Raises:
        InputError: a folder holds no evaluation, or the two share no sample.
    """
    if not 0 < alpha < 1:
        raise InputError(f"--alpha is {alpha}: give a share between 0 and 1, such as 0.05")
    with waiting("Comparing"):
        comparison = compare(folder_a, folder_b, alpha=alpha, seed=seed)
    stdout.print(_comparison_table(comparison))
    for note in comparison.notes:
        stderr.print(f"note: {note}", markup=False)
    if page is not None:
        write_whole(page, render_comparison(comparison))
        stderr.print(f"-> {page}", markup=False)
    return comparison


def _comparison_table(comparison: Comparison) -> Table:
    title = f"A: {comparison.a.name}\nB: {comparison.b.name}\n{comparison.n:,} samples"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    table.add_column("task", min_width=8)
    widths = (("n", 3), ("A", 6), ("B", 6), ("B - A", 7), ("95 % interval", 16), ("p", 7), ("p adj.", 7))
    for name, width in widths:
        table.add_column(name, justify="right", no_wrap=True, min_width=width)
    table.add_column("verdict", min_width=7)
    for name, task in comparison.tasks.items():
        table.add_row(name, f"{task.n:,}", *_differences(task), _p(task.p_value), _p(task.p_adjusted), _verdict(task))
    table.add_section()
    groups = [*comparison.tracks.values(), comparison.mean_over_tasks, comparison.mean_over_tracks]
    for group in groups:
        table.add_row(f"[bold]{group.title}[/]", "", *_differences(group), _p(group.p_value), "", _verdict(group))
    return table


def _differences(row: TaskComparison | GroupComparison) -> tuple[str, str, str, str]:
    return f"{row.score_a:.4f}", f"{row.score_b:.4f}", f"{row.delta:+.4f}", interval_text(row.interval)


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _verdict(row: TaskComparison | GroupComparison) -> Text:
    return Text(row.verdict, style=_VERDICT_STYLES[row.verdict])
