"""`shopbench predict` as a user types it, on a real engine, and what it says at the end."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from app.cli import output, predict, progress
from app.cli.progress import BatchProgress
from app.errors import EngineError
from app.jobs.file_job import FileJob, Summary
from app.jobs.job import Origin, Result
from app.jobs.run import Ending
from app.jobs.store import journal_path
from app.predictor import create_predictor
from app.rows import Row
from app.settings import ROOT, load_settings
from app.types import Failure, Outcome, Prediction, TaskType
from tests.command import shopbench

SAMPLE = ROOT / "data" / "sample.jsonl"


@pytest.fixture(scope="module")
def answered(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample, answered by the transformers engine."""
    target = tmp_path_factory.mktemp("predict") / "out.jsonl"
    result = shopbench("predict", SAMPLE, target, "--engine", "transformers", "--model", checkpoint)
    assert result.returncode == 0, result.stderr
    return target


def test_every_question_has_an_answer_of_its_type(answered: Path) -> None:
    questions = [json.loads(line) for line in SAMPLE.read_text().splitlines()]
    rows = [json.loads(line) for line in answered.read_text().splitlines()]
    assert [(row["id"], row["task_type"]) for row in rows] == [(q["id"], q["task_type"]) for q in questions]
    assert all(row["answer"] for row in rows)
    choices = [row for row in rows if row["task_type"] == "multiple-choice"]
    assert choices
    assert all(row["answer"] in row["label_probs"] for row in choices)


def test_given_again_it_goes_on_and_writes_the_same(answered: Path, checkpoint: Path) -> None:
    before = answered.read_bytes()
    result = shopbench("predict", SAMPLE, answered, "--engine", "transformers", "--model", checkpoint)
    assert result.returncode == 0
    count = len(before.splitlines())
    assert f"{count} rows were answered by an earlier run" in result.stderr
    assert answered.read_bytes() == before


def test_another_engine_is_refused_in_one_line_before_it_loads(answered: Path, checkpoint: Path) -> None:
    before = answered.read_bytes()
    result = shopbench("predict", SAMPLE, answered, "--engine", "vllm", "--model", checkpoint)
    said = result.stderr.strip()
    assert result.returncode == 2
    assert "engine was transformers and is now vllm" in said
    assert "--overwrite" in said
    assert len(said.splitlines()) == 1
    assert answered.read_bytes() == before


def test_a_pipe_is_quiet_and_bad_rows_are_exit_code_1(checkpoint: Path) -> None:
    words = ["predict", "-", "-", "-q", "--engine", "transformers", "--model", str(checkpoint)]
    given = SAMPLE.read_bytes().splitlines()[0] + b"\nnot json\n"
    result = subprocess.run(
        [sys.executable, "-m", "app", *words], cwd=ROOT, input=given, capture_output=True, timeout=240, check=False
    )
    assert result.returncode == 1
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert rows[0]["answer"]
    assert rows[1]["error"]["code"] == "invalid_json"
    assert result.stderr == b""


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--time-budget", "soon"], "'soon' is not a duration: write 90s, 70m or 1h30m"),
        (["--output-format", "xml"], "unknown format 'xml'; there are jsonl, csv, parquet, text, openai"),
    ],
)
def test_bad_options_are_one_line(tmp_path: Path, words: list[str], says: str) -> None:
    result = shopbench("predict", SAMPLE, tmp_path / "out.jsonl", *words)
    assert result.returncode == 2
    assert result.stderr.strip() == f"shopbench: {says}"


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    text = io.StringIO()
    monkeypatch.setattr(progress, "stderr", Console(file=text, width=300))
    return text


def result(number: int, outcome: Outcome = Outcome.CLEAN, origin: Origin = Origin.ASKED) -> Result:
    failure = Failure("no_text", f"row {number} has [no] text") if outcome is Outcome.ERROR else None
    task_type = None if failure else TaskType.RANKING
    return Result(Row(number, "x"), Prediction("x", task_type, "1,2", outcome, error=failure), origin)


def summary(*results: Result, ending: Ending = Ending.FINISHED, exit_code: int = 0) -> Summary:
    found = Summary(total=100, seconds=2.0, ending=ending, exit_code=exit_code, kept_in=Path("out.jsonl.journal"))
    for one in results:
        found.add(one)
    return found


JOB = FileJob(Path("in.jsonl"), Path("out.jsonl"))


def test_the_report_counts_what_is_worth_knowing(console: io.StringIO) -> None:
    results = [result(0), result(1, origin=Origin.RESUMED), result(2, origin=Origin.REPEATED)]
    results += [result(3, Outcome.UNASKED), result(4, Outcome.SHORTENED), *(result(n, Outcome.ERROR) for n in range(5))]
    progress.report(summary(*results), JOB)
    said = console.getvalue()
    assert "10 rows in 2.0 s (4.5 rows/s) -> out.jsonl" in said
    assert "1 rows were answered by an earlier run" in said
    assert "1 rows repeat another row's question" in said
    assert "2 answers are short or the default, to end within the time budget" in said
    assert "5 rows failed" in said
    assert "row 2 has [no] text\n  ...\n" in said
    assert "row 3 has" not in said


def test_exit_codes(console: io.StringIO) -> None:
    assert progress.conclude(summary(result(0)), JOB) == 0
    assert progress.conclude(summary(result(0, Outcome.ERROR)), JOB) == 1
    assert console.getvalue() == ""


def test_a_stop_says_how_to_go_on(console: io.StringIO) -> None:
    assert progress.conclude(summary(result(0), ending=Ending.INTERRUPTED, exit_code=143), JOB) == 143
    assert console.getvalue() == (
        "stopped after 1 of 100 rows: give the same command again to go on; "
        "the answers so far are kept in out.jsonl.journal\n"
    )


def test_brackets_in_paths_are_no_markup(console: io.StringIO) -> None:
    job = FileJob(Path("in[a].jsonl"), Path("out[v2].jsonl"))
    stopped = summary(result(0, Outcome.ERROR), ending=Ending.TOO_MANY_ERRORS)
    stopped.kept_in = Path("out[v2].jsonl.journal")
    progress.report(stopped, job)
    progress.conclude(stopped, job)
    for path in ("-> out[v2].jsonl", "in in[a].jsonl", "kept in out[v2].jsonl.journal"):
        assert path in console.getvalue()


def test_an_engine_that_fails_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(job: FileJob, *_: object) -> Summary:
        journal_path(job.target).touch()
        raise EngineError("vLLM failed: no memory")

    monkeypatch.setattr("app.jobs.file_job.answer_file", fails)
    job = FileJob(tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    with pytest.raises(EngineError, match="no memory. Give the same command again to go on; answers are kept in "):
        predict.predict_file(job, load_settings(None), create_predictor, quiet=True)


def test_too_many_errors_name_the_first(console: io.StringIO) -> None:
    stopped = summary(result(0, Outcome.ERROR), ending=Ending.TOO_MANY_ERRORS)
    assert progress.conclude(stopped, JOB) == 4, "no output is not the same as one with failed rows"
    assert "stopped after 1 failed rows (--max-errors), first: row 0 has [no] text. Mend them in in.jsonl" in (
        console.getvalue()
    )


def test_a_stopped_pipe_says_what_would_have_helped(console: io.StringIO) -> None:
    stopped = summary(result(0), ending=Ending.INTERRUPTED, exit_code=130)
    assert progress.conclude(stopped, FileJob(Path("in.jsonl"), Path("-"))) == 130
    assert "write to a file instead of '-'" in console.getvalue()


def test_the_bar_shows_rate_and_what_an_earlier_run_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    text = io.StringIO()
    for module in (output, progress):
        monkeypatch.setattr(module, "stderr", Console(file=text, width=200, force_terminal=True, highlight=False))
    with BatchProgress(quiet=False) as bar:
        bar.began(4, 2)
        for one in (result(0, origin=Origin.RESUMED), result(1, origin=Origin.RESUMED), result(2), result(3)):
            bar.settled(one)
    said = text.getvalue()
    assert "going on: the journal has 2 answers" in said
    assert "Answering (2 from the journal)" in said
    assert "4/4" in said
    assert "rows/s" in said


@pytest.mark.parametrize(("terminal", "quiet"), [(False, False), (True, True)])
def test_without_a_terminal_or_when_quiet_there_is_no_bar(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, quiet: bool
) -> None:
    text = io.StringIO()
    for module in (output, progress):
        monkeypatch.setattr(module, "stderr", Console(file=text, width=200, force_terminal=terminal))
    with BatchProgress(quiet=quiet) as bar:
        bar.began(1, 0)
        bar.settled(result(0))
    assert text.getvalue() == ""
