"""`shopbench route`, `predict` and `demo`: a file of questions in, a file of answers out."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from app.cli.options import EXIT_CODES, SOME_ROWS_FAILED, Columns, Config, Engine, InputFormat, Model, Seed
from app.cli.output import stderr, stdout, waiting
from app.errors import EngineError, InputError, library
from app.types import Failure, TaskType

if TYPE_CHECKING:
    from app.jobs.file_job import FileJob, Summary
    from app.predictor import Predictor
    from app.settings import Settings

cli = typer.Typer()


@cli.command(epilog="Example:  shopbench route questions.jsonl types.jsonl")
def route(
    source: Annotated[Path, typer.Argument(metavar="IN", help="Questions, as 'shopbench predict' reads them.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="Where 'id' and 'task_type' go, as IN.")],
    columns: Columns = None,
    input_format: InputFormat = None,
) -> None:
    """Tell the task type of every question; needs no engine."""
    from app.files import refuse_overwrite
    from app.jobs.formats.choosing import input_format as format_of
    from app.routing import route
    from app.tables.columns import parse_columns
    from app.tables.writers import write_table

    read = format_of(source, input_format, parse_columns(columns))
    refuse_overwrite(source, target)
    counts: Counter[TaskType | None] = Counter()

    def routed() -> Iterator[dict[str, Any]]:
        for row in read.read(source):
            task_type = route(row.question).type if row.question is not None else None
            counts[task_type] += 1
            conversation = Failure("conversation", f"{row.where}: a conversation is asked as it is: it has no type")
            failure = conversation if row.chat is not None else row.failure
            told = {"error": {"code": failure.code, "message": failure.message}} if failure else {}
            yield {"id": row.answer_id, "task_type": task_type} | told

    write_table(target, ("id", "task_type", "error"), routed())
    for task_type, n in counts.most_common():
        stderr.print(f"{n:>9,}  {task_type or '(no question)'}")
    if counts[None]:
        raise typer.Exit(SOME_ROWS_FAILED)


@cli.command(
    epilog="Example:  shopbench predict questions.jsonl answers.jsonl --model path/of/a/checkpoint\n\n" + EXIT_CODES
)
def predict(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="IN",
            help="Questions: .jsonl, .json, .csv, .parquet, .txt (one a line), .gz of each, or a pipe: - or <(command)",
        ),
    ],
    target: Annotated[
        Path, typer.Argument(metavar="OUT", help="Where the answers go, as IN. OUT.journal beside it keeps the run.")
    ],
    config: Config = None,
    engine: Engine = None,
    model: Model = None,
    seed: Seed = None,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            help="Answer anew where OUT is finished or was made with other settings; an unfinished run of the same "
            "settings goes on. The old answers go when the engine is ready, the old OUT when the new one is whole.",
        ),
    ] = False,
    max_errors: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many failed rows.", show_default="never")
    ] = None,
    time_budget: Annotated[
        str | None,
        typer.Option(help="Answer every row within this time, such as 70m, loading included.", show_default=False),
    ] = None,
    columns: Columns = None,
    input_format: InputFormat = None,
    output_format: Annotated[
        str | None, typer.Option(help="jsonl, csv, parquet or openai.", show_default="from OUT's name")
    ] = None,
    executor: Annotated[
        Literal["local", "ray"],
        typer.Option(help="One engine in this process, or engines on the machines of a Ray cluster."),
    ] = "local",
    ray_address: Annotated[
        str | None, typer.Option(help="Ray cluster, host:port or auto.", show_default="one on this machine")
    ] = None,
    replicas: Annotated[
        int | None, typer.Option(min=1, help="Engines on the cluster.", show_default="as many as fit")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar, no summary.")] = False,
) -> None:
    """Answer every question of a file, in the file's order. Given again after a stop, it goes on."""
    started = time.monotonic()
    from app.cli.progress import conclude, report
    from app.jobs.file_job import FileJob
    from app.predictor import create_predictor
    from app.process import parse_duration
    from app.settings import load_settings
    from app.tables.columns import parse_columns

    seconds = parse_duration(time_budget) if time_budget else None
    named = parse_columns(columns)
    job = FileJob(source, target, input_format, output_format, overwrite, max_errors, seconds, started, named)
    settings = load_settings(config, {"engine": engine, "model": model, "seed": seed})
    if executor == "ray":
        summary = _predict_on_cluster(job, settings, ray_address, replicas, quiet=quiet)
    elif ray_address or replicas:
        raise InputError("--ray-address and --replicas are for --executor ray: add it, or leave them out")
    else:
        summary = predict_file(job, settings, create_predictor, quiet=quiet)
    if not quiet:
        report(summary, job)
    if code := conclude(summary, job):
        raise typer.Exit(code)


@cli.command(epilog="Example:  shopbench demo --engine transformers")
def demo(config: Config = None, engine: Engine = None, model: Model = None, seed: Seed = None) -> None:
    """Answer the project's own sample questions and show them as a table."""
    from app.cli.progress import prediction_table
    from app.predictor import create_predictor
    from app.rows import read_rows
    from app.settings import ROOT, load_settings

    settings = load_settings(config, {"engine": engine, "model": model, "seed": seed})
    source = ROOT / "data" / "sample.jsonl"
    started = time.monotonic()
    with waiting(f"Loading {settings.model}"):
        predictor = create_predictor(settings)
    loaded = time.monotonic()
    questions = [row.question for row in read_rows(source) if row.question is not None]
    with predictor:
        predictions = predictor.predict(questions)
    answered = time.monotonic()
    pairs = zip((question.prompt for question in questions), predictions, strict=True)
    stdout.print(prediction_table(pairs, f"{source.name}: {len(predictions)} questions"))
    stdout.print(
        f"{predictor.engine.name} {predictor.engine.version}, prompts {predictor.prompts.fingerprint}: "
        f"ready in {loaded - started:.1f} s, answered in {answered - loaded:.1f} s"
    )


def predict_file(
    job: "FileJob", settings: "Settings", create: "Callable[[Settings], Predictor]", *, quiet: bool = False
) -> "Summary":
    """Answer a file with the predictor that the settings make. Errors as `app.jobs.file_job.answer_file`."""
    from app.cli.progress import BatchProgress
    from app.files import STANDARD_STREAM, real_path
    from app.jobs.file_job import answer_file
    from app.jobs.identity import known_identity
    from app.jobs.store import journal_path

    def load() -> "Predictor":
        with waiting(f"Loading {settings.model}"):
            return create(settings)

    with BatchProgress(quiet=quiet) as progress:
        try:
            return answer_file(job, load, lambda: known_identity(settings), progress)
        except EngineError as error:
            kept = journal_path(real_path(job.target))
            if job.target == STANDARD_STREAM or not kept.exists():
                raise
            raise EngineError(f"{error}. Give the same command again to go on; answers are kept in {kept}") from error


def _predict_on_cluster(
    job: "FileJob", settings: "Settings", address: str | None, replicas: int | None, *, quiet: bool
) -> "Summary":
    library("ray", "--executor ray", "ray")
    from app.jobs.ray.engine import MOST_OPEN_ROWS, create_ray_predictor

    if job.time_budget is not None:
        raise InputError("a time budget is kept by one engine: use --executor local, or leave --time-budget out")
    create = partial(create_ray_predictor, address=address, replicas=replicas)
    return predict_file(replace(job, most_open=MOST_OPEN_ROWS), settings, create, quiet=quiet)
