"""`shopbench predict` and `shopbench demo`: a file of questions in, a file of answers out."""

import os
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from app.commands.output import prediction_table, stderr, stdout, summary_table, track, waiting
from app.config import ROOT, Settings
from app.errors import InputError
from app.factory import create_predictor
from app.jsonl import Row, dump, prediction_row, read_rows
from app.predictor import Predictor
from app.types import Outcome, Prediction, Question, TaskType

SAMPLE = ROOT / "data" / "sample.jsonl"


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run did."""

    counts: Counter[tuple[TaskType | None, Outcome]]
    seconds: float

    @property
    def rows(self) -> int:
        """Rows written."""
        return self.counts.total()

    @property
    def errors(self) -> int:
        """Rows that held no question."""
        return sum(n for (_, outcome), n in self.counts.items() if outcome is Outcome.ERROR)


def predict_file(source: Path, target: Path, settings: Settings, *, quiet: bool = False) -> Summary:
    """Answer every row of `source` into `target`, in input order, one row for every row.

    The target appears whole or not at all: rows go to a file beside it that is renamed at the end.

    Raises:
        SetupError: the engine cannot be made ready.
        InputError: the source cannot be read, or the target not written.
    """
    total = sum(1 for _ in read_rows(source))
    _check_writable(target)
    with waiting(f"Loading {settings.model}"):
        predictor = create_predictor(settings)
    counts: Counter[tuple[TaskType | None, Outcome]] = Counter()
    started = time.monotonic()
    partial = target.with_name(target.name + ".part")
    try:
        with partial.open("w", encoding="utf-8") as out:
            answers = answer_rows(predictor, read_rows(source))
            for prediction in track(answers, total, "Answering", quiet=quiet):
                out.write(dump(prediction_row(prediction, predictor.prompts.fingerprint)) + "\n")
                counts[prediction.task_type, prediction.outcome] += 1
            out.flush()
            os.fsync(out.fileno())
        partial.replace(target)
    finally:
        predictor.close()
    return Summary(counts, time.monotonic() - started)


def demo(settings: Settings, source: Path = SAMPLE) -> None:
    """Answer the project's own sample questions and print them as a table."""
    started = time.monotonic()
    with waiting(f"Loading {settings.model}"):
        predictor = create_predictor(settings)
    loaded = time.monotonic()
    try:
        predictions = list(answer_rows(predictor, read_rows(source)))
    finally:
        predictor.close()
    answered = time.monotonic()
    prompts = [row.question.prompt if row.question else "" for row in read_rows(source)]
    stdout.print(
        prediction_table(zip(prompts, predictions, strict=True), f"{source.name}: {len(predictions)} questions")
    )
    stdout.print(
        f"{predictor.engine.name} {predictor.engine.version}, prompts {predictor.prompts.fingerprint}: "
        f"ready in {loaded - started:.1f} s, answered in {answered - loaded:.1f} s"
    )


def answer_rows(predictor: Predictor, rows: Iterable[Row]) -> Iterator[Prediction]:
    """One prediction a row, in the rows' order. Memory holds what is in flight, not the file."""
    pulled: deque[Row] = deque()
    finished: dict[int, Prediction] = {}

    def questions() -> Iterator[tuple[int, Question]]:
        for row in rows:
            pulled.append(row)
            if row.question is not None:
                yield row.number, row.question

    def ready() -> Iterator[Prediction]:
        while pulled and (pulled[0].question is None or pulled[0].number in finished):
            row = pulled.popleft()
            yield finished.pop(row.number) if row.question else _unanswerable(row)

    for number, prediction in predictor.stream(questions()):
        finished[number] = prediction
        yield from ready()
    yield from ready()


def report(summary: Summary, target: Path) -> None:
    """The run in a few lines on standard error."""
    stderr.print(summary_table(summary.counts))
    rate = summary.rows / summary.seconds if summary.seconds else 0.0
    stderr.print(f"{summary.rows:,} rows in {summary.seconds:.1f} s ({rate:,.1f} rows/s) -> {target}")
    if summary.errors:
        stderr.print(f"[bold red]{summary.errors:,} rows held no question[/]: see their 'error' in {target}")


def _unanswerable(row: Row) -> Prediction:
    return Prediction(row.id, None, None, Outcome.ERROR, error=row.failure)


def _check_writable(target: Path) -> None:
    if target.is_dir():
        raise InputError(f"{target} is a folder: name the file to write, such as {target / 'out.jsonl'}")
    if not target.parent.is_dir():
        raise InputError(f"the folder {target.parent} does not exist: create it, or write somewhere else")
    if not os.access(target.parent, os.W_OK):
        raise InputError(f"the folder {target.parent} is not writable: write somewhere else")
