"""`shopbench predict` and `shopbench demo`: a file of questions in, a file of answers out."""

import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from rich.markup import escape

from app.cli.output import BatchProgress, prediction_table, stderr, stdout, summary_table, waiting
from app.engines.loading import check_engine
from app.errors import EngineError, SetupError
from app.files import STANDARD_STREAM, write_lines
from app.jobs.file_job import FileJob, Summary, answer_file
from app.jobs.identity import cluster_identity, file_identity
from app.jobs.job import Origin
from app.jobs.journal import journal_path
from app.jobs.output import real_path
from app.jobs.run import Ending
from app.predictor import Predictor, create_predictor
from app.routing import route
from app.rows import Row, read_rows
from app.settings import ROOT, Settings
from app.types import Outcome, Prediction, TaskType

SAMPLE = ROOT / "data" / "sample.jsonl"
OK = 0
SOME_ROWS_FAILED = 1
TOO_MANY_FAILED = 4


def predict_file(job: FileJob, settings: Settings, *, quiet: bool = False) -> Summary:
    """Answer a file with the engine that the settings name, as `app.jobs.file_job.answer_file` does.

    Raises:
        SetupError: the engine cannot be made ready.
        InputError: the source cannot be read, or the target not written or not continued.
        EngineError: the engine failed.
    """

    def load() -> Predictor:
        with waiting(f"Loading {settings.model}"):
            return create_predictor(settings)

    with BatchProgress(quiet=quiet) as progress:
        try:
            return answer_file(job, load, lambda: file_identity(settings), progress)
        except EngineError as error:
            kept = journal_path(real_path(job.target))
            if job.target == STANDARD_STREAM or not kept.exists():
                raise
            raise EngineError(f"{error}. Give the same command again to go on; answers are kept in {kept}") from error


def predict_on_cluster(
    job: FileJob, settings: Settings, address: str | None, replicas: int | None, *, quiet: bool = False
) -> Summary:
    """Answer a file with engines on a Ray cluster, as `app.jobs.ray.job.answer_on_cluster` does.

    Raises:
        SetupError: Ray is not installed or not to be reached, or an engine cannot be made ready.
        InputError: the source cannot be read, or the target not written or not continued.
        EngineError: an engine or Ray failed.
    """
    try:
        from app.jobs.ray.job import Cluster, answer_on_cluster
    except ModuleNotFoundError as error:
        if error.name not in ("ray", "pyarrow"):
            raise
        raise SetupError(
            f"--executor ray needs {error.name}, which is not installed: pip install 'shopbench[ray]'"
        ) from error
    engine = check_engine(settings.engine, settings.model, settings.engine_settings)
    cluster = Cluster(address, replicas, engine.devices)
    load = partial(create_predictor, settings)
    with BatchProgress(quiet=quiet) as progress:
        return answer_on_cluster(job, cluster, load, lambda: cluster_identity(settings), progress)


def demo(settings: Settings, source: Path = SAMPLE) -> None:
    """Answer the project's own sample questions and print them as a table."""
    started = time.monotonic()
    with waiting(f"Loading {settings.model}"):
        predictor = create_predictor(settings)
    loaded = time.monotonic()
    questions = [row.question for row in read_rows(source) if row.question is not None]
    try:
        predictions: list[Prediction] = predictor.predict(questions)
    finally:
        predictor.close()
    answered = time.monotonic()
    pairs = zip((question.prompt for question in questions), predictions, strict=True)
    stdout.print(prediction_table(pairs, f"{source.name}: {len(predictions)} questions"))
    stdout.print(
        f"{predictor.engine.name} {predictor.engine.version}, prompts {predictor.prompts.fingerprint}: "
        f"ready in {loaded - started:.1f} s, answered in {answered - loaded:.1f} s"
    )


def report(summary: Summary, job: FileJob) -> None:
    """The run in a few lines on standard error."""
    stderr.print(summary_table(summary.counts))
    where = "standard output" if job.target == STANDARD_STREAM else escape(str(job.target))
    stderr.print(f"{summary.rows:,} rows in {summary.seconds:.1f} s ({summary.rate:,.1f} rows/s) -> {where}")
    for line in _notes(summary):
        stderr.print(line, soft_wrap=True)


def conclude(summary: Summary, job: FileJob) -> int:
    """The exit code; how to go on stands on standard error where the run stopped early."""
    if summary.ending is Ending.FINISHED:
        return SOME_ROWS_FAILED if summary.errors else OK
    stderr.print(_how_to_go_on(summary, job), soft_wrap=True)
    return TOO_MANY_FAILED if summary.ending is Ending.TOO_MANY_ERRORS else summary.exit_code


def _how_to_go_on(summary: Summary, job: FileJob) -> str:
    of = f" of {summary.total:,}" if summary.total is not None else ""
    if job.target == STANDARD_STREAM:
        return f"stopped after {summary.rows:,}{of} rows; write to a file instead of '-' to be able to go on"
    kept = f"the answers so far are kept in {escape(str(summary.kept_in))}"
    if summary.ending is Ending.TOO_MANY_ERRORS:
        first, source = escape(summary.first_failures[0].message), escape(str(job.source))
        return (
            f"stopped after {summary.errors:,} failed rows (--max-errors), first: {first}. Mend them in {source}, "
            f"or allow more, and give the same command again; {kept}"
        )
    return f"stopped after {summary.rows:,}{of} rows: give the same command again to go on; {kept}"


def _notes(summary: Summary) -> list[str]:
    """What is worth a line of its own."""
    notes = []
    if resumed := summary.origins[Origin.RESUMED]:
        notes.append(f"{resumed:,} rows were answered by an earlier run")
    if repeated := summary.origins[Origin.REPEATED]:
        notes.append(f"{repeated:,} rows repeat another row's question, which was asked once")
    outcomes = {outcome: sum(n for (_, o), n in summary.counts.items() if o is outcome) for outcome in Outcome}
    if hurried := outcomes[Outcome.SHORTENED] + outcomes[Outcome.UNASKED]:
        notes.append(f"[yellow]{hurried:,} answers are short or the default[/], to end within the time budget")
    if summary.errors:
        notes.append(f"[bold red]{summary.errors:,} rows failed[/]: each says why in its 'error'")
        notes += [f"  {escape(failure.message)}" for failure in summary.first_failures]
    if summary.errors > len(summary.first_failures):
        notes.append("  ...")
    return notes


def route_file(source: Path, target: Path) -> Counter[TaskType | None]:
    """Write `id` and `task_type` for every row of `source`; return how many there are of each type.

    Raises:
        InputError: the source cannot be read.
        SetupError: the target cannot be written.
    """
    counts: Counter[TaskType | None] = Counter()

    def routed() -> Iterator[dict[str, Any]]:
        for row in read_rows(source):
            found = _routed(row)
            counts[found["task_type"]] += 1
            yield found

    write_lines(target, routed())
    return counts


def _routed(row: Row) -> dict[str, Any]:
    if row.question is not None:
        return {"id": row.id, "task_type": route(row.question).type}
    failure = row.failure
    return {"id": row.id, "task_type": None} | (
        {"error": {"code": failure.code, "message": failure.message}} if failure else {}
    )
