import gzip
import io
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest

from app.errors import EngineError, InputError
from app.jobs.file_job import FileJob, Summary, Watcher, answer_file
from app.jobs.job import Origin, Result
from app.jobs.run import Ending
from app.jobs.store import journal_path
from app.predictor import Predictor
from app.prompting import PromptLibrary
from app.rows import Row
from app.settings import ROOT
from app.types import Outcome, Prediction, TaskType
from tests.jobs.questions import choice, line, mixed, text, write_questions
from tests.jobs.scripted_job import IDENTITY, answer, keys_of
from tests.jobs.stepped_engine import SteppedEngine


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_questions(tmp_path / "in.jsonl", mixed(40))


class Attentive(Watcher):
    heard = ""

    def said(self, line: str) -> None:
        self.heard += line


def rows_of(path: Path) -> list[dict[str, object]]:
    return [json.loads(text) for text in path.read_text(encoding="utf-8").splitlines()]


def test_one_row_for_every_row_in_input_order(source: Path, tmp_path: Path) -> None:
    summary = answer(FileJob(source, tmp_path / "out.jsonl"), SteppedEngine())
    rows = rows_of(tmp_path / "out.jsonl")
    assert [row["id"] for row in rows] == [question.id for question in mixed(40)]
    assert set(rows[0]) == {"id", "task_type", "answer", "outcome", "prompts", "label_probs", "label_mass"}
    assert (summary.rows, summary.total, summary.errors, summary.ending) == (40, 40, 0, Ending.FINISHED)


def test_the_journal_stays_and_a_second_run_asks_nothing(source: Path, tmp_path: Path) -> None:
    job = FileJob(source, tmp_path / "out.jsonl")
    answer(job, SteppedEngine())
    before = job.target.read_bytes()
    engine = SteppedEngine()
    summary = answer(job, engine)
    assert engine.asked == []
    assert summary.origins[Origin.RESUMED] == 40
    assert summary.rate == 0.0
    assert job.target.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl", "out.jsonl.journal"]


def test_another_engine_version_is_refused_and_overwrite_means_it(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    answer(FileJob(source, target), SteppedEngine())
    before = target.read_bytes()
    with pytest.raises(InputError, match="engine version was 1 and is now 2"):
        answer(FileJob(source, target), SteppedEngine(version="2"))
    assert target.read_bytes() == before
    engine = SteppedEngine(version="2")
    answer(FileJob(source, target, overwrite=True), engine)
    assert len(engine.asked) == 40


def test_what_is_known_before_is_compared_before_the_engine_loads(source: Path, tmp_path: Path) -> None:
    job = FileJob(source, tmp_path / "out.jsonl")
    answer(job, SteppedEngine())

    def load() -> Predictor:
        raise AssertionError("loaded for nothing")

    with pytest.raises(InputError, match="model revision was 1 .stepped. and is now 2"):
        answer_file(job, load, lambda: IDENTITY | {"model revision": "2"})


def test_an_output_appears_whole_or_not_at_all(source: Path, tmp_path: Path) -> None:
    class Failing(SteppedEngine):
        def _step(self) -> None:
            super()._step()
            if self.steps == 15:
                raise EngineError("lost the GPU")

    target = tmp_path / "out.jsonl"
    engine = Failing()
    with pytest.raises(EngineError, match="lost the GPU"):
        answer(FileJob(source, target), engine)
    assert engine.closed
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl.journal"]
    kept = len(keys_of(target))
    summary = answer(FileJob(source, target), SteppedEngine())
    assert summary.origins[Origin.RESUMED] == kept > 0
    assert len(rows_of(target)) == 40


def test_the_same_bytes_with_and_without_an_interruption(source: Path, tmp_path: Path) -> None:
    class Failing(SteppedEngine):
        def _step(self) -> None:
            super()._step()
            if self.steps == 15:
                raise EngineError("lost the GPU")

    answer(FileJob(source, tmp_path / "calm.jsonl"), SteppedEngine())
    with pytest.raises(EngineError):
        answer(FileJob(source, tmp_path / "hurt.jsonl"), Failing())
    answer(FileJob(source, tmp_path / "hurt.jsonl"), SteppedEngine(room=3))
    assert (tmp_path / "calm.jsonl").read_bytes() == (tmp_path / "hurt.jsonl").read_bytes()


def test_rows_that_were_added_later_are_asked_alone(source: Path, tmp_path: Path) -> None:
    job = FileJob(source, tmp_path / "out.jsonl")
    answer(job, SteppedEngine())
    with source.open("a") as file:
        file.write(line(choice(999)) + "\n")
    engine = SteppedEngine()
    answer(job, engine)
    assert len(engine.asked) == 1
    assert len(rows_of(job.target)) == 41


def test_a_journal_of_an_earlier_version_is_refused_by_name(source: Path, tmp_path: Path) -> None:
    job = FileJob(source, tmp_path / "out.jsonl")
    journal_path(job.target).write_text('{"journal": "shopbench", "version": 1, "run": {"model": "mini"}}\n')
    with pytest.raises(InputError, match=r"out.jsonl.journal is a journal of an earlier version"):
        answer(job, SteppedEngine())
    answer(replace(job, overwrite=True), engine := SteppedEngine())
    assert len(engine.asked) == 40


def test_a_store_of_an_earlier_version_of_a_run_on_ray_is_refused_by_name(source: Path, tmp_path: Path) -> None:
    (tmp_path / "out.jsonl.ray").mkdir()
    with pytest.raises(InputError, match=r"out.jsonl.ray keeps a run on Ray of an earlier version: finish it"):
        answer(FileJob(source, tmp_path / "out.jsonl"), SteppedEngine())
    assert answer(FileJob(source, tmp_path / "out.jsonl", overwrite=True), SteppedEngine()).rows == 40


def test_a_damaged_journal_is_one_line(source: Path, tmp_path: Path) -> None:
    job = FileJob(source, tmp_path / "out.jsonl")
    answer(job, SteppedEngine())
    pages = journal_path(job.target).read_bytes()
    journal_path(job.target).write_bytes(pages[:4096] + b"\x5a" * (len(pages) - 4096))
    with pytest.raises(
        InputError, match=r"out.jsonl.journal is damaged.*: move it away, or add --overwrite"
    ) as refused:
        answer(job, SteppedEngine())
    assert "\n" not in str(refused.value)


def test_bad_rows_have_their_error_in_the_output(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text("\n".join([line(choice(0)), "{", '{"id": "q"}', line(choice(1))]))
    summary = answer(FileJob(source, tmp_path / "out.jsonl"), SteppedEngine())
    rows = rows_of(tmp_path / "out.jsonl")
    assert [row.get("error", {}).get("code") for row in rows] == [None, "invalid_json", "no_text", None]  # type: ignore[attr-defined]  # JSON
    assert [row["id"] for row in rows] == ["c0", "line 2", "q", "c1"]
    assert summary.errors == 2
    assert [failure.code for failure in summary.first_failures] == ["invalid_json", "no_text"]


def test_compressed_in_and_out(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl.gz"
    source.write_bytes(gzip.compress(b"".join(line(question).encode() + b"\n" for question in mixed(20))))
    for name in ("a.jsonl.gz", "b.jsonl.gz", "plain.jsonl"):
        answer(FileJob(source, tmp_path / name), SteppedEngine())
    assert (tmp_path / "a.jsonl.gz").read_bytes() == (tmp_path / "b.jsonl.gz").read_bytes()
    assert gzip.decompress((tmp_path / "a.jsonl.gz").read_bytes()) == (tmp_path / "plain.jsonl").read_bytes()


def test_a_gzip_file_that_breaks_off_is_named_and_what_came_before_is_kept(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl.gz"
    whole = gzip.compress(b"".join(line(question).encode() + b"\n" for question in mixed(20)))
    source.write_bytes(whole[:-20])
    with pytest.raises(InputError, match="in.jsonl.gz is not a whole gzip file"):
        answer(FileJob(source, tmp_path / "out.jsonl"), SteppedEngine())


class _Pipe:
    """Standard input or output, as far as a batch job uses it."""

    def __init__(self, data: bytes = b"") -> None:
        self.buffer = io.BytesIO(data)


def test_pipes(monkeypatch: pytest.MonkeyPatch, source: Path, tmp_path: Path) -> None:
    answer(FileJob(source, tmp_path / "out.jsonl"), SteppedEngine())
    out = _Pipe()
    monkeypatch.setattr(sys, "stdin", _Pipe(source.read_bytes()))
    monkeypatch.setattr(sys, "stdout", out)
    summary = answer(FileJob(Path("-"), Path("-")), SteppedEngine())
    assert out.buffer.getvalue() == (tmp_path / "out.jsonl").read_bytes()
    assert summary.total is None
    assert not Path("-.journal").exists()


def test_a_named_pipe_is_read_once(source: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = Thread(target=lambda: pipe.write_bytes(source.read_bytes()))
    writer.start()
    summary = answer(FileJob(pipe, tmp_path / "out.jsonl"), SteppedEngine())
    writer.join()
    assert (summary.rows, summary.total) == (40, None)
    with pytest.raises(InputError, match="needs rows that can be counted: give a file instead of '.*pipe'"):
        answer(FileJob(pipe, tmp_path / "other.jsonl", time_budget=60), SteppedEngine())


def test_a_time_budget_needs_rows_that_can_be_counted(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give a file instead of '-'"):
        answer(FileJob(Path("-"), tmp_path / "out.jsonl", time_budget=60), SteppedEngine())


def test_a_time_budget_counts_from_the_start(source: Path, tmp_path: Path) -> None:
    summary = answer(FileJob(source, tmp_path / "out.jsonl", time_budget=1e-6), SteppedEngine())
    rows = rows_of(tmp_path / "out.jsonl")
    assert {row["outcome"] for row in rows} == {Outcome.UNASKED}
    assert all(row["answer"] for row in rows)
    assert (summary.errors, summary.ending) == (0, Ending.FINISHED)
    engine = SteppedEngine()
    answer(FileJob(source, tmp_path / "out.jsonl"), engine)
    assert len(engine.asked) == 40
    whole = (tmp_path / "out.jsonl").read_bytes()
    # What an earlier run was told needs no time.
    with source.open("a") as file:
        file.write(line(choice(999)) + "\n")
    again = answer(FileJob(source, tmp_path / "out.jsonl", time_budget=1e-6), SteppedEngine())
    assert (again.origins[Origin.RESUMED], again.origins[Origin.UNASKED]) == (40, 1)
    assert (tmp_path / "out.jsonl").read_bytes().startswith(whole)


def test_loading_that_takes_the_whole_budget_is_told(source: Path, tmp_path: Path) -> None:
    watcher = Attentive()
    prompts = PromptLibrary(ROOT / "prompts")
    job = FileJob(source, tmp_path / "out.jsonl", time_budget=1e-6)
    answer_file(job, lambda: Predictor(SteppedEngine(), prompts), lambda: IDENTITY, watcher)
    assert watcher.heard == "loading took 0 s, which leaves no time to ask anything: allow more"


def test_hurried_answers_are_not_taken_for_whole_ones(tmp_path: Path) -> None:
    source = write_questions(tmp_path / "in.jsonl", [text(n) for n in range(64)])
    job = FileJob(source, tmp_path / "out.jsonl", time_budget=1.2)
    hurried = answer(job, SteppedEngine(room=4, step_seconds=0.004))
    short = sum(n for (_, outcome), n in hurried.counts.items() if outcome is not Outcome.CLEAN)
    assert short > 0
    answer(FileJob(source, tmp_path / "out.jsonl"), SteppedEngine())
    answer(FileJob(source, tmp_path / "calm.jsonl"), SteppedEngine())
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "calm.jsonl").read_bytes()


def test_the_watcher_hears_of_everything(source: Path, tmp_path: Path) -> None:
    class Listening(Watcher):
        def __init__(self) -> None:
            self.heard: list[object] = []

        def began(self, total: int | None, found: int) -> None:
            self.heard.append((total, found))

        def settled(self, result: Result) -> None:
            self.heard.append(result.row.number)

    watcher = Listening()
    prompts = PromptLibrary(ROOT / "prompts")
    answer_file(
        FileJob(source, tmp_path / "out.jsonl"),
        lambda: Predictor(SteppedEngine(), prompts),
        lambda: IDENTITY,
        watcher,
    )
    assert watcher.heard[0] == (40, 0)
    assert sorted(watcher.heard[1:], key=str) == sorted(range(40), key=str)


def test_another_number_format_is_refused(source: Path, tmp_path: Path) -> None:
    class Half(SteppedEngine):
        dtype = "float16"

    answer(FileJob(source, tmp_path / "out.jsonl"), SteppedEngine())
    with pytest.raises(InputError, match="dtype was float32 and is now float16"):
        answer(FileJob(source, tmp_path / "out.jsonl"), Half())


def test_a_summary_rates_only_what_was_asked() -> None:
    summary = Summary(total=10, seconds=2.0)
    assert summary.rate == 0.0
    for origin in (Origin.RESUMED, Origin.ASKED, Origin.REPEATED, Origin.UNASKED):
        summary.add(Result(Row(0, "a"), Prediction("a", TaskType.RANKING, "1", Outcome.CLEAN), origin))
    assert (summary.rows, summary.rate) == (4, 1.5)


def test_the_first_failures_are_shown_and_all_are_counted(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text("{\n" * 5 + line(choice(1)))
    summary = answer(FileJob(source, tmp_path / "out.jsonl"), SteppedEngine())
    assert (summary.rows, summary.errors, len(summary.first_failures)) == (6, 5, 3)


def test_too_many_errors_leave_no_output_and_no_code_of_a_signal(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text("{\n" * 5 + line(choice(1)))
    summary = answer(FileJob(source, tmp_path / "out.jsonl", max_errors=5), SteppedEngine())
    assert (summary.ending, summary.exit_code) == (Ending.TOO_MANY_ERRORS, 0)
    assert summary.kept_in == tmp_path / "out.jsonl.journal"
    assert not (tmp_path / "out.jsonl").exists()
