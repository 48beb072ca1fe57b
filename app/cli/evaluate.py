"""`shopbench evaluate`, `compare` and `convert`: how good the answers are, and which of two is better."""

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from app.cli.options import Columns, Config, Engine, InputFormat, Model
from app.cli.output import figure, stderr, stdout, told, track_steps, waiting
from app.errors import InputError
from app.files import refuse_overwrite, write_whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.evaluation.answers import Answers
    from app.evaluation.schema import Baselines, Comparison, EvalReport, GroupComparison, TaskComparison
    from app.settings import Settings
    from app.types import Sample

cli = typer.Typer()

PAGE = "report.html"
VERDICT_STYLES = {"ROSE": "green", "FELL": "red", "UNDECIDED": "dim"}


@cli.command(
    epilog="Examples:\n\n  shopbench evaluate data/sample.jsonl --model path/of/a/checkpoint --report runs/sample\n\n"
    "  shopbench evaluate data/sample.jsonl --predictions answers.jsonl --report runs/sample\n\n"
    "  shopbench evaluate data/sample.jsonl --user-model models.user_config --report runs/sample"
)
def evaluate(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Samples: a file, or a folder of files.")],
    report: Annotated[Path, typer.Option(help="Folder for report.json, samples.jsonl and report.html.")] = Path(
        "runs/evaluation"
    ),
    predictions: Annotated[
        Path | None, typer.Option(help="Answers of 'shopbench predict'; without it the model answers now.")
    ] = None,
    config: Config = None,
    engine: Engine = None,
    model: Model = None,
    user_model: Annotated[
        str | None,
        typer.Option(
            metavar="MODULE",
            help="Module with a UserModel, which is driven as the organisers' evaluator does, and sets itself up.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the run and of the bootstrap.")] = 0,
    english_encoder: Annotated[Path | None, typer.Option(help="Folder of all-MiniLM-L6-v2.")] = None,
    multilingual_encoder: Annotated[
        Path | None, typer.Option(help="Folder of paraphrase-multilingual-MiniLM-L12-v2.")
    ] = None,
    columns: Columns = None,
    input_format: InputFormat = None,
    baseline_data: Annotated[
        Path | None,
        typer.Option(help="Other samples of the same tasks, such as training rows, for the majority baseline."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most so many samples, spread over the file.", show_default="all")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="What to call it on its page and in comparisons.", show_default="REPORT")
    ] = None,
) -> None:
    """Score answers as the competition does, with intervals, baselines and a page to read.

    The exit code is 1 where not one answer is the model's own.
    """
    from app.evaluation.answers import read_answers
    from app.evaluation.datasets.reading import read_dataset, spread
    from app.evaluation.encoders import ENGLISH, MULTILINGUAL
    from app.evaluation.evaluation import SAMPLES, write_evaluation
    from app.evaluation.evaluation import evaluate as score
    from app.evaluation.scoring import Scorer
    from app.prompting import PromptLibrary
    from app.report.evaluation import LOUD, render_report
    from app.settings import load_settings
    from app.tables.columns import parse_columns

    if predictions and (user_model or model or engine):
        raise InputError("--predictions holds the answers: leave out --model, --engine and --user-model")
    if user_model and (model or engine or config):
        raise InputError("a --user-model sets itself up: leave out --model, --engine and --config")
    settings = load_settings(config, {"engine": engine, "model": model, "seed": seed})
    encoders = {ENGLISH: english_encoder, MULTILINGUAL: multilingual_encoder}
    scorer = Scorer({name: path for name, path in encoders.items() if path is not None})
    for source in (data, *([predictions] if predictions else [])):
        for written in (report, report / SAMPLES):
            refuse_overwrite(source, written)
    named = parse_columns(columns)
    dataset = read_dataset(data, named, input_format)
    known = read_dataset(baseline_data, named) if baseline_data else None
    samples = dataset.samples
    chosen = spread(len(samples), limit or len(samples))
    if len(chosen) < len(samples):
        note = f"{len(chosen):,} of {len(samples):,} samples, spread over the file (--limit)"
        dataset = replace(dataset, samples=[samples[place] for place in chosen], notes=[note, *dataset.notes])
    if predictions:
        whole = read_answers(predictions, samples, PromptLibrary(settings.prompts))
        left = {sample.question.id for sample in dataset.samples}
        missing = [name for name in whole.missing if name in left]
        answers = replace(whole, answers=[whole.answers[place] for place in chosen], missing=missing)
    elif user_model:
        answers = _drive(user_model, dataset.samples, seed)
    else:
        answers = _ask(settings, dataset.samples)
    with waiting("Scoring"):
        evaluation = score(dataset, answers, known=known, scorer=scorer, seed=seed, name=name)
    write_evaluation(report, evaluation)
    write_whole(report / PAGE, render_report(evaluation.report, evaluation.results))
    stdout.print(_score_table(evaluation.report))
    loud = evaluation.report.failed_share > LOUD
    for number, note in enumerate(evaluation.report.notes):
        stderr.print(f"note: {note}", markup=False, style="bold red" if loud and not number else None)
    if evaluation.report.durations.over_limit:
        over = evaluation.report.durations.over_limit
        stderr.print(f"[red]{over} batches took longer than the competition allows[/]")
    told(report / PAGE)
    if evaluation.report.failed_share == 1:
        # As it is for programs, which read no notes: whatever was scored here, it was not the model.
        sys.exit(1)


def _ask(settings: "Settings", samples: "Sequence[Sample]") -> "Answers":
    from app.evaluation.answers import ask
    from app.predictor import create_predictor

    started = time.monotonic()
    with waiting(f"Loading {settings.model}"):
        predictor = create_predictor(settings)
    load_seconds = time.monotonic() - started
    with predictor, track_steps(len(samples), "Answering") as advance:
        answers = ask(predictor, samples, {"seed": settings.seed}, advance)
    return replace(answers, load_seconds=load_seconds)


def _drive(module: str, samples: "Sequence[Sample]", seed: int) -> "Answers":
    from app.evaluation.answers import Explaining, drive, load_user_model

    started = time.monotonic()
    with waiting(f"Loading {module}"):
        model = load_user_model(module, seed)
    load_seconds = time.monotonic() - started
    with track_steps(len(samples), "Answering") as advance:
        answers = drive(model, samples, {"module": module, "seed": seed}, advance)
    if isinstance(model, Explaining):
        model.predictor.close()
    return replace(answers, load_seconds=load_seconds)


@cli.command(epilog="Example:  shopbench compare runs/before runs/after --page runs/comparison.html")
def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help="Folder of the evaluation to compare with.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Folder of the evaluation to judge.")],
    page: Annotated[Path | None, typer.Option(help="Write the comparison as an HTML page.")] = None,
    alpha: Annotated[float, typer.Option(help="Share of false discoveries to accept over the tasks.")] = 0.05,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
) -> None:
    """Tell which tasks rose, which fell and which cannot be told apart."""
    from app.evaluation.compare import compare as judge
    from app.report.evaluation import render_comparison

    if not 0 < alpha < 1:
        raise InputError(f"--alpha is {alpha}: give a share between 0 and 1, such as 0.05")
    with waiting("Comparing"):
        comparison = judge(a, b, alpha=alpha, seed=seed)
    stdout.print(_comparison_table(comparison))
    for note in comparison.notes:
        stderr.print(f"note: {note}", markup=False)
    if page is not None:
        write_whole(page, render_comparison(comparison))
        told(page)


@cli.command(epilog="Example:  shopbench convert ShoppingMMLU/data shopping_mmlu.jsonl")
def convert(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A data set in any format that is read.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="Where the kit's rows go: .jsonl, .csv or .parquet.")],
    columns: Columns = None,
    input_format: InputFormat = None,
) -> None:
    """Write Shopping MMLU, EC-Guide or a table of one's own as the kit's rows."""
    from app.evaluation.datasets.kit import write_kit
    from app.evaluation.datasets.reading import read_dataset
    from app.tables.columns import parse_columns

    refuse_overwrite(source, target)
    dataset = read_dataset(source, parse_columns(columns), input_format)
    for note in dataset.notes:
        stderr.print(f"note: {note}", markup=False)
    stderr.print(f"{write_kit(dataset.samples, target):,} rows -> {target}", markup=False)


def _score_table(report: "EvalReport") -> Table:
    title = f"{report.name + ', ' if report.name else ''}{report.data}: {report.overall.n_samples} samples scored"
    caption = f"majority: {report.majority_from}"
    table = Table(title=title, caption=caption, title_justify="left", caption_justify="right", box=SIMPLE_HEAD)
    table.add_column("task", min_width=10)
    table.add_column("metric")
    # Narrow terminals fold names, never figures.
    for name, width in (("n", 3), ("score", 6), ("95 % interval", 14), ("random", 6), ("majority", 8)):
        table.add_column(name, justify="right", no_wrap=True, min_width=width)
    for track in report.tracks.values():
        table.add_section()
        for name in track.tasks:
            task = report.tasks[name]
            figures = (f"{task.n:,}", figure(task.score), str(task.interval or ""))
            table.add_row(name, task.metric, *figures, *_baselines(task.baselines))
        title = f"Track {track.number}" if track.number else "Track"
        base = _baselines(track.baselines)
        table.add_row(title, track.name, "", figure(track.score), str(track.interval or ""), *base, style="bold")
    table.add_section()
    whole = report.overall
    for title, over, score, interval, base in (
        ("All tasks", "tasks", whole.mean_over_tasks, whole.mean_over_tasks_interval, _baselines(whole.baselines)),
        ("All tracks", "tracks", whole.mean_over_tracks, whole.mean_over_tracks_interval, ("", "")),
    ):
        table.add_row(title, f"mean over {over}", "", figure(score), str(interval or ""), *base, style="bold")
    return table


def _baselines(given: "Baselines") -> tuple[str, str]:
    random, majority = ("-" if value is None else f"{value:.3f}" for value in (given.random, given.majority))
    return random, majority


def _comparison_table(comparison: "Comparison") -> Table:
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


def _differences(row: "TaskComparison | GroupComparison") -> tuple[str, str, str, str]:
    return f"{row.score_a:.4f}", f"{row.score_b:.4f}", f"{row.delta:+.4f}", str(row.interval or "")


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _verdict(row: "TaskComparison | GroupComparison") -> Text:
    return Text(row.verdict, style=VERDICT_STYLES[row.verdict.name])
