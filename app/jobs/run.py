"""One pass over the rows: what the store has is taken, the rest is asked, results come in the rows' order."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from operator import attrgetter

from app.jobs.budget import AnswerKind, Budget, Pace
from app.jobs.identity import identity_digest
from app.jobs.intake import MOST_OPEN, InOrder, Intake
from app.jobs.job import NO_TIME, Job, Origin, Result, for_row, unasked
from app.jobs.store import Store
from app.predictor import Predictor
from app.rows import Row
from app.types import Completion, GenerationRequest, Prediction, Question

PROBE_PART = 0.1
"""A second probe is made while one takes no more than this part of the time left."""


class Ending(StrEnum):
    """How a pass ended."""

    FINISHED = "finished"
    INTERRUPTED = "interrupted"
    TOO_MANY_ERRORS = "too many errors"


@dataclass(frozen=True, slots=True)
class Limits:
    """When to stop early."""

    interrupted: Callable[[], bool] = lambda: False
    max_errors: int | None = None
    budget: Budget | None = None
    most_open: int = MOST_OPEN
    """Rows that may be read and not handed on."""


class BatchRun:
    """Answers rows with one predictor and, where there is one, a store.

    `sink` gets every result once, in the rows' order. There is no barrier: a row is read for each one that the engine
    takes, and results leave as they finish. The rows in memory are bounded, see `app/jobs/intake.py`.
    """

    def __init__(
        self,
        predictor: Predictor,
        store: Store | None,
        run: bytes,
        sink: Callable[[Result], None],
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
        settled: Callable[[Result], None] = lambda _: None,
    ) -> None:
        """`run` is the identity's digest, see `app/jobs/identity.py`; `settled` gets results as they come."""
        self._predictor = predictor
        self._store = store
        self._run = run
        self._settled = settled
        self._limits = limits or Limits()
        self._order = InOrder(sink, self._limits.most_open)
        self._clock = clock
        self._in_flight: dict[str, Job] = {}
        self._waiting_for: dict[bytes, Job] = {}
        self._errors = 0

    def run(self, rows: Iterable[Row]) -> Ending:
        """Answer every row, or stop early where `Limits` says so; what was asked is answered and stored.

        Raises:
            EngineError: the engine failed.
            InputError: the rows cannot be read on, or the store cannot be written.
        """
        timed = self._limits.budget is not None
        place = attrgetter("shortest_first" if timed else "longest_first")
        intake = Intake(self._predictor, self._run, rows, self._take, place)
        if self._limits.budget is not None:
            self._limits.budget.expect_stored(self._store.found if self._store is not None else 0)
            self._probe(intake, self._limits.budget)
        while not (self._over or intake.empty):
            for completion in self._predictor.engine.generate(self._requests(intake), self._must_give_up):
                self._complete(self._in_flight.pop(completion.id), completion)
        if self._expired and not self._stopped:
            self._answer_unasked(intake)
        if self._store is not None:
            self._store.sync()
        if self._order.empty and intake.empty:
            return Ending.FINISHED
        return Ending.TOO_MANY_ERRORS if self._too_many_errors else Ending.INTERRUPTED

    @property
    def _stopped(self) -> bool:
        return self._limits.interrupted() or self._too_many_errors

    @property
    def _too_many_errors(self) -> bool:
        most = self._limits.max_errors
        return most is not None and self._errors >= most

    @property
    def _expired(self) -> bool:
        return self._limits.budget is not None and self._limits.budget.expired

    @property
    def _over(self) -> bool:
        return self._stopped or self._expired

    def _must_give_up(self) -> bool:
        """Asked by the engine after each step."""
        self._keep()
        if self._limits.budget is not None:
            self._limits.budget.pace.stepped()
        return self._expired

    def _must_pause(self) -> bool:
        """Asked before each row that is read, and now and then while none comes."""
        self._keep()
        return self._over or (self._order.crowded and bool(self._in_flight))

    def _keep(self) -> None:
        """Answers must not wait for the next one to be forced to the disk: that may be long in coming."""
        if self._store is not None:
            self._store.sync_if_due()

    def _requests(self, intake: Intake) -> Iterator[GenerationRequest | None]:
        """What the engine pulls from. It ends early to stop; None stands where nothing is to be asked yet."""
        while not (self._over or intake.empty):
            job = intake.next(self._must_pause, lambda: bool(self._in_flight))
            if job is None:
                yield None
            elif self._may_ask(job):
                job.asked_at = self._clock()
                self._in_flight[job.request.id] = job
                yield job.request

    def _take(self, found: Job | Result) -> bool:
        """Look at a row that was just read; whether it has to be asked."""
        self._order.expect(found.row)
        known = found if isinstance(found, Result) else self._stored(found)
        budget = self._limits.budget
        if budget is not None:
            budget.read(stored=known is not None and known.origin is Origin.RESUMED)
        if known is not None:
            self._settle(known)
        if known is not None or isinstance(found, Result):
            return False
        first = self._waiting_for.setdefault(found.key, found)
        if first is not found:
            first.followers.append(found.row)
            return False
        if budget is not None:
            budget.pace.saw(found.kind, found.request.sampling.max_tokens)
        return True

    def _may_ask(self, job: Job) -> bool:
        """Whether there is time to ask, be it for a shorter answer; the row is settled where there is none."""
        if self._limits.budget is None:
            return True
        allowance = self._limits.budget.allowance(len(self._waiting_for))
        if job.kind not in allowance.kinds:
            self._finish(job, job.unasked())
            return False
        if allowance.text_tokens is not None and job.kind is AnswerKind.TEXT:
            whole = job.key
            job.shorten(self._run, allowance.text_tokens)
            self._waiting_for[job.key] = self._waiting_for.pop(whole)
        stored = self._stored(job)
        if stored is not None:
            self._finish(job, stored)
        return stored is None

    def _complete(self, job: Job, completion: Completion) -> None:
        if self._limits.budget is not None:
            self._limits.budget.pace.finished(
                job.kind,
                completion.prompt_tokens,
                completion.output_tokens,
                job.asked_at,
                shortened=job.cap is not None,
            )
        result = job.finish(self._predictor, completion)
        # A refusal is not kept: it costs nothing to hear it again, and what caused it may have been mended.
        if self._store is not None and result.usage is not None and result.prediction.error is None:
            self._store.add(job.key, result.prediction, result.usage)
        self._finish(job, result)

    def _finish(self, job: Job, result: Result) -> None:
        """Settle a job's row and those that asked the same."""
        self._waiting_for.pop(job.key, None)
        self._settle(result)
        for row in job.followers:
            self._settle(for_row(result, row, Origin.REPEATED if result.usage else result.origin))

    def _settle(self, result: Result) -> None:
        error = result.prediction.error
        if error is not None and error.code != NO_TIME:
            self._errors += 1
        if self._limits.budget is not None:
            self._limits.budget.settle()
        self._settled(result)
        self._order.add(result)

    def _stored(self, job: Job) -> Result | None:
        return self._store.find(job.key, job.row) if self._store is not None else None

    def _answer_unasked(self, intake: Intake) -> None:
        """Time is up: every row that is left gets the stored answer, or the one that needs no model."""
        for job in [*self._in_flight.values(), *intake.drain()]:
            self._finish(job, job.unasked())
        self._in_flight.clear()
        # Answers of an earlier run are looked for only where there are any: that takes several times a default answer.
        resumes = self._store is not None and self._store.found > 0
        for row in intake.rest():
            self._order.expect(row)
            found = intake.job(row) if resumes else unasked(row)
            self._settle(found if isinstance(found, Result) else self._stored(found) or found.unasked())

    def _probe(self, intake: Intake, budget: Budget) -> None:
        """Measure one token, so that the first answers asked are no longer than the limit allows.

        The first call of an engine readies what later calls find ready, so a second one is measured where
        there is time for it.
        """
        job = intake.peek(lambda: self._over)
        if job is None or budget.pace.seconds_per_token:
            return
        sampling = replace(job.request.sampling, max_tokens=1)
        request = replace(job.request, id="probe", sampling=sampling, constraint=None)
        for _ in range(2):
            started = self._clock()
            for _ in self._predictor.engine.generate([request]):
                budget.pace.probed(self._clock() - started)
            if budget.pace.first_token_seconds > PROBE_PART * budget.seconds_left:
                break
        budget.pace.resume()


class TimedPredictor:
    """Answers each batch within its limit; what it learns of the engine's pace serves the next batch."""

    def __init__(
        self, predictor: Predictor, seconds_per_question: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """The limit of a batch is `seconds_per_question` times its length."""
        self.predictor = predictor
        self._seconds = seconds_per_question
        self._clock = clock
        self._pace = Pace(clock)

    def predict(self, questions: Sequence[Question]) -> list[Prediction]:
        """Answers in the order of the questions, one each, never empty."""
        results: list[Result] = []

        budget = Budget(self._seconds * len(questions), len(questions), self._pace, self._clock)
        run = BatchRun(self.predictor, None, identity_digest({}), results.append, Limits(budget=budget), self._clock)
        run.run(Row(number, question.id, question) for number, question in enumerate(questions))
        return [result.prediction for result in results]
