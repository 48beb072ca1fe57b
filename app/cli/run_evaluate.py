"""`shopbench evaluate` and `shopbench convert`: how good the answers are."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from app.cli.output import figure, interval_text, stderr, stdout, track_steps, waiting
from app.errors import InputError
from app.evaluate.compare import compare
from app.evaluate.datasets.kit import write_kit
from app.evaluate.datasets.reading import Dataset, read_dataset
from app.evaluate.driving import Driven, Explaining, drive, load_user_model
from app.evaluate.encoders import ENGLISH, MULTILINGUAL
from app.evaluate.evaluation import Evaluation, evaluate, write_evaluation
from app.evaluate.predictions import Joined, join, read_predictions, with_prompts
from app.evaluate.provenance import from_answers, from_predictor, git_revision
from app.evaluate.schema import (
    Baselines,
    Comparison,
    EvalReport,
    GroupComparison,
    Interval,
    JsonValue,
    Overall,
    Provenance,
    TaskComparison,
    Verdict,
)
from app.evaluate.scoring import Scorer
from app.files import write_whole
from app.prompting import PromptLibrary
from app.report.comparison import render_comparison
from app.report.evaluation import render_report
from app.settings import load_settings

PAGE = "report.html"
CONFIG_VARIABLE = "SHOPBENCH_CONFIG"


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers joined with their samples, and where they came from."""

    joined: Joined
    provenance: Provenance
    driven: Driven | None = None
    load_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Encoders:
    """Folders of sentence encoders; None leaves the search to the scorer."""

    english: Path | None = None
    multilingual: Path | None = None

    def paths(self) -> dict[str, Path]:
        """Those that are given, by the scorer's names."""
        given = {ENGLISH: self.english, MULTILINGUAL: self.multilingual}
        return {name: path for name, path in given.items() if path is not None}


@dataclass(frozen=True, slots=True)
class EvaluationRequest:
    """What to evaluate: a file of predictions, or else a module with a `UserModel`."""

    data: Path
    report: Path
    predictions: Path | None = None
    module: str = "models.user_config"
    config: Path | None = None
    seed: int = 0
    encoders: Encoders = field(default_factory=Encoders)
    baseline_data: Path | None = None


def run_evaluation(request: EvaluationRequest) -> Evaluation:
    """Score, write `report.json`, `samples.jsonl` and `report.html`, and print the table.

    Raises:
        InputError: data or predictions that cannot be read.
        SetupError: a model that cannot be loaded, or a folder that cannot be written to.
    """
    dataset = read_dataset(request.data)
    known = read_dataset(request.baseline_data) if request.baseline_data else None
    answers = _from_file(request, dataset) if request.predictions else _from_model(request, dataset)
    scorer = Scorer(encoder_paths=request.encoders.paths())
    with waiting("Scoring"):
        evaluation = evaluate(
            dataset,
            answers.joined,
            answers.provenance,
            scorer,
            driven=answers.driven,
            load_seconds=answers.load_seconds,
            predict_seconds=sum(batch.seconds for batch in answers.driven.batches) if answers.driven else None,
            seed=request.seed,
            known=known,
        )
    write_evaluation(request.report, evaluation)
    write_whole(request.report / PAGE, render_report(evaluation.report, evaluation.results))
    return evaluation


def print_report(report: EvalReport, folder: Path) -> None:
    """Scores by task on standard output, with intervals and baselines; where the page is."""
    stdout.print(_score_table(report))
    for note in report.notes:
        stderr.print(f"note: {note}", markup=False)
    if report.durations.over_limit:
        stderr.print(f"[red]{report.durations.over_limit} batches took longer than the competition allows[/]")
    stderr.print(f"-> {folder / PAGE}", markup=False)


def convert_file(source: Path, target: Path) -> int:
    """Write any data that the evaluation reads as the kit's JSON lines; return the number of rows.

    Raises:
        InputError: the source cannot be read, or the target not written.
    """
    dataset = read_dataset(source)
    for note in dataset.notes:
        stderr.print(f"note: {note}", markup=False)
    return write_kit(dataset.samples, target)


def _from_file(request: EvaluationRequest, dataset: Dataset) -> Answers:
    if request.predictions is None:
        raise InputError("no predictions to read: name a file with --predictions")
    settings = load_settings(request.config)
    answered = read_predictions(request.predictions)
    joined = join(dataset.samples, answered)
    provenance = from_answers(answered, {"predictions": request.predictions.name})
    return Answers(with_prompts(joined, dataset.samples, PromptLibrary(settings.prompts)), provenance)


def _from_model(request: EvaluationRequest, dataset: Dataset) -> Answers:
    if request.config is not None:
        os.environ[CONFIG_VARIABLE] = str(request.config.resolve())
    with waiting(f"Loading {request.module}"):
        model, load_seconds = load_user_model(request.module, request.seed)
    with track_steps(len(dataset.samples), "Answering") as advance:
        driven = drive(model, dataset.samples, advance)
    settings: dict[str, JsonValue] = {
        "module": request.module,
        "seed": request.seed,
        "batch_size": model.get_batch_size(),
    }
    if isinstance(model, Explaining):
        provenance = from_predictor(model.predictor, settings)
        model.predictor.close()
    else:
        provenance = Provenance(model=request.module, git_revision=git_revision(), settings=settings)
    return Answers(Joined("model", list(driven.answers)), provenance, driven, load_seconds)


def _score_table(report: EvalReport) -> Table:
    title = f"{report.data}: {report.overall.n_samples} samples scored"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    table.add_column("task", min_width=10)
    table.add_column("metric")
    # Narrow terminals fold names, never figures.
    for name, width in (("n", 3), ("score", 6), ("95 % interval", 14), ("random", 6), ("majority", 8)):
        table.add_column(name, justify="right", no_wrap=True, min_width=width)
    for track in report.tracks.values():
        table.add_section()
        for name in track.tasks:
            task = report.tasks[name]
            figures = (f"{task.n:,}", figure(task.score), interval_text(task.interval))
            table.add_row(name, task.metric, *figures, *_baselines(task.baselines))
        title = f"Track {track.number}" if track.number else "Track"
        base = _baselines(track.baselines)
        table.add_row(title, track.name, "", figure(track.score), interval_text(track.interval), *base, style="bold")
    table.add_section()
    for title, name, score, interval, base in _overall_rows(report.overall):
        table.add_row(title, name, "", figure(score), interval_text(interval), *base, style="bold")
    return table


def _overall_rows(overall: Overall) -> list[tuple[str, str, float | None, Interval | None, tuple[str, str]]]:
    by_task = overall.mean_over_tasks, overall.mean_over_tasks_interval, _baselines(overall.baselines)
    by_track = overall.mean_over_tracks, overall.mean_over_tracks_interval, ("", "")
    return [("All tasks", "mean over tasks", *by_task), ("All tracks", "mean over tracks", *by_track)]


def _baselines(given: Baselines) -> tuple[str, str]:
    return _short(given.random), _short(given.majority)


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


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
