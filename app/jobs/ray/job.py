"""A file of questions in, a file of answers out, answered by engines on many machines."""

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from app.errors import EngineError, InputError
from app.files import STANDARD_STREAM, is_stream
from app.jobs.file_job import FileJob, Summary, Watcher
from app.jobs.formats.base import Format, Header
from app.jobs.formats.choosing import input_format, output_format
from app.jobs.identity import Identity, identity_digest
from app.jobs.job import Origin, Result, unanswerable
from app.jobs.journal import journal_path, store_path
from app.jobs.output import check_target, open_output, real_path
from app.jobs.ray.pipeline import Pipeline
from app.jobs.ray.replica import Replicas, call_rows, plan_replicas
from app.jobs.ray.session import connected
from app.jobs.ray.staging import Staging, pack, row_key
from app.jobs.ray.store import AnswerIndex, Store
from app.jobs.run import Ending
from app.predictor import Predictor
from app.process import Interruption
from app.rows import Row

POLL_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where to answer. `gpus_each` is what one engine takes: tensor times pipeline parallel size."""

    address: str | None = None
    replicas: int | None = None
    gpus_each: int = 1


def answer_on_cluster(
    job: FileJob,
    cluster: Cluster,
    load: Callable[[], Predictor],
    identity: Callable[[], Identity],
    watcher: Watcher | None = None,
) -> Summary:
    """As `app.jobs.file_job.answer_file`, by one engine a replica; the finished file has the same bytes.

    `load` is called on the machines of the cluster: it, and what it loads, must be found there under the same
    names. The output's folder must be one that every machine sees. A run that was stopped is continued by the
    same call, from the store beside the output.

    Raises:
        SetupError: no cluster, no room for the replicas, or an engine that cannot be made ready.
        EngineError: an engine or Ray failed; what was answered is in the store.
        InputError: the source cannot be read, the target not written, another run holds the target, its
            store was made with something else, or the job asks what a cluster does not do.
    """
    watcher = watcher or Watcher()
    job = replace(job, target=real_path(job.target))
    read = input_format(job.source, job.input_format)
    write = output_format(job.target, job.output_format, read)
    _check(job)
    with Store.open(store_path(job.target), overwrite=job.overwrite) as store:
        if (journal := journal_path(job.target)).exists():  # after locking, as the local run looks for a store
            raise InputError(
                f"{journal} keeps a run without Ray: leave --executor ray out to go on with it, or remove that file"
            )
        known = identity()
        store.claim(known)
        with connected(cluster.address) as machines, Interruption(watcher.said) as interruption:
            replicas = plan_replicas(machines, cluster.replicas, cluster.gpus_each)
            store.begin(known)
            run = _Run(job, store, identity_digest(known), replicas, interruption, watcher)
            return run.run(read, write, load, Header(known["prompts"], Path(known["model"]).name))


def _check(job: FileJob) -> None:
    check_target(job.target, job.source)
    if job.time_budget is not None:
        raise InputError("a time budget is kept by one engine: use --executor local, or leave --time-budget out")
    if is_stream(job.source) or job.target == STANDARD_STREAM:
        raise InputError(
            "a run on Ray reads its rows twice and keeps its store beside the output: give files, no pipes"
        )
    kept = store_path(job.target).exists() or journal_path(job.target).exists()
    if job.target.exists() and not kept and not job.overwrite:
        raise InputError(
            f"{job.target} exists, and no store beside it says what made it: "
            "add --overwrite to replace it, or name another output"
        )


class _Run:
    """One run over an open store."""

    def __init__(
        self,
        job: FileJob,
        store: Store,
        digest: bytes,
        replicas: Replicas,
        interruption: Interruption,
        watcher: Watcher,
    ) -> None:
        self._job = job
        self._store = store
        self._digest = digest
        self._replicas = replicas
        self._interruption = interruption
        self._watcher = watcher
        self._ending = Ending.FINISHED

    def run(self, read: Format, write: Format, load: Callable[[], Predictor], header: Header) -> Summary:
        started = time.monotonic()
        staging = Staging(self._store.questions, self._digest)
        try:
            staging.fill(read.read(self._job.source), self._interrupted)
            found = self._answered(staging)
            self._watcher.began(staging.rows, found)
            self._watcher.progressed(staging.rows - staging.different + found)
            if not self._must_stop(staging.failed) and found < staging.different:
                self._answer(load, staging)
            summary = self._collect(read, write, header)
            if summary.ending is Ending.INTERRUPTED:
                summary = self._cut_short(staging, found)
        finally:
            staging.close()
        summary.seconds = time.monotonic() - started
        return summary

    def _interrupted(self) -> bool:
        return self._interruption.requested

    def _answered(self, staging: Staging) -> int:
        return sum(1 for identity in self._store.answered_ids() if staging.has(identity))

    def _cut_short(self, staging: Staging, found: int) -> Summary:
        """What is known without a look at the answers: there may be many, and whoever stops a job waits."""
        summary = Summary(staging.rows if staging.whole else None, kept_in=self._store.folder)
        summary.uncounted = staging.failed + self._answered(staging)
        summary.origins[Origin.RESUMED] = found
        summary.ending, summary.exit_code = Ending.INTERRUPTED, self._interruption.exit_code
        return summary

    def _answer(self, load: Callable[[], Predictor], staging: Staging) -> None:
        rows = call_rows(staging.different, self._replicas.count)
        pipeline = Pipeline(self._store, load, self._digest, self._replicas, rows)
        pipeline.start()
        shown = 0
        while pipeline.running:
            pipeline.wait(POLL_SECONDS)
            state = pipeline.state()
            if state.engine_version is not None and "engine version" not in self._store.identity:
                self._store.add({"engine version": state.engine_version})
            self._watcher.progressed(max(0, state.count.rows - shown))
            shown = max(shown, state.count.rows)
            if self._must_stop(staging.failed + state.count.errors):
                pipeline.stop()
        pipeline.conclude()

    def _must_stop(self, errors: int) -> bool:
        if self._interrupted():
            self._ending = Ending.INTERRUPTED
        elif self._job.max_errors is not None and errors >= self._job.max_errors:
            self._ending = Ending.TOO_MANY_ERRORS
        return self._ending is not Ending.FINISHED

    def _collect(self, read: Format, write: Format, header: Header) -> Summary:
        """Bring the answers into the rows' order, and write them unless the run stopped early."""
        summary = Summary(None, kept_in=self._store.folder)
        stored = itertools.takewhile(lambda _: not self._interrupted(), self._store.stored_answers())
        answers = AnswerIndex(stored, self._store.lives)
        try:
            if self._ending is Ending.FINISHED:
                self._write(read, write, header, answers, summary)
            else:
                summary.total = summary.rows + self._put(read, answers, summary.add)
                self._must_stop(0)  # a stop meanwhile left failures unseen
        finally:
            answers.close()
        summary.ending = self._ending
        return summary

    def _write(self, read: Format, write: Format, header: Header, answers: AnswerIndex, summary: Summary) -> None:
        with open_output(self._job.target) as output:
            writer = write.writer(output.file, header)

            def put(result: Result) -> None:
                summary.add(result)
                writer.write(result)

            missing = self._put(read, answers, put)
            writer.close()
            if self._interrupted():
                self._ending = Ending.INTERRUPTED
                return
            if missing:
                raise EngineError(
                    f"{missing:,} rows came back without an answer: give the same command again, or remove "
                    f"{self._store.folder} to start afresh"
                )
            output.complete()
        self._store.finish()
        summary.total = summary.rows

    def _put(self, read: Format, answers: AnswerIndex, put: Callable[[Result], None]) -> int:
        """Hand on the results in the rows' order; how many rows have none."""
        missing = 0
        for row in itertools.takewhile(lambda _: not self._interrupted(), read.read(self._job.source)):
            result = self._result(row, answers)
            if result is None:
                missing += 1
            else:
                put(result)
        return missing

    def _result(self, row: Row, answers: AnswerIndex) -> Result | None:
        if row.question is None and row.chat is None:
            return unanswerable(row)
        return answers.find(row_key(self._digest, pack(row)), row)
