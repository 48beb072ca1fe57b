"""A row on its way to the engine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from app.jobs.budget import AnswerKind
from app.jobs.identity import request_key
from app.openai.request import ModelRequest, adapter_of
from app.predictor import Predictor, Prepared
from app.routing import route
from app.rows import Row
from app.tasks.base import Reading, Task
from app.tasks.registry import task_of
from app.types import Completion, Failure, GenerationRequest, Outcome, Prediction, Question


class Origin(StrEnum):
    """Where the answer to a row came from."""

    ASKED = "asked"
    """The model was asked in this run."""
    RESUMED = "resumed"
    """The store of an earlier run had it."""
    REPEATED = "repeated"
    """Another row of this run asked the same."""
    UNASKED = "unasked"
    """No model was asked: the row held no question, its prompt could not fit, or time ran out."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What an answer cost, in tokens, and why it ended ("stop", "length" or "error")."""

    prompt_tokens: int
    output_tokens: int
    finish_reason: str
    logprobs: Sequence[Mapping[str, Any]] | None = None
    """Of each token, where they were asked for."""


@dataclass(frozen=True, slots=True)
class Result:
    """One row with its answer. `usage` is None where no model was asked."""

    row: Row
    prediction: Prediction
    origin: Origin
    usage: Usage | None = None


def for_row(result: Result, row: Row, origin: Origin) -> Result:
    """The same answer for another row."""
    return replace(result, row=row, origin=origin, prediction=replace(result.prediction, id=row.answer_id))


def unanswerable(row: Row, failure: Failure | None = None) -> Result:
    """The result of a row that holds no question, or one that cannot be asked."""
    prediction = Prediction(row.answer_id, None, None, Outcome.ERROR, error=failure or row.failure)
    return Result(row, prediction, Origin.UNASKED)


NO_TIME = "time_budget"
"""The code of a row that was not asked as time was up: the run's own limit, and no fault of the row."""
_KINDS = list(AnswerKind)


@dataclass(slots=True)
class Job:
    """One request, the row that asks it, and the rows that ask the same.

    `prepared` is None for a conversation that came ready made. `cap` is the time limit's, in tokens, where
    that is below the task's own.
    """

    row: Row
    key: bytes
    request: GenerationRequest
    prepared: Prepared | None
    kind: AnswerKind
    cap: int | None = None
    asked_at: float = 0.0
    followers: list[Row] = field(default_factory=list)

    @property
    def longest_first(self) -> tuple[int, str, str]:
        """Where it stands in a window: the longest answers first, then by type, then by text.

        Short answers then fill the places that long ones leave, down to the last row; the other way round, the
        engine ends with a few long ones that keep it waiting. (Longest processing time first: Graham, "Bounds on
        Multiprocessing Timing Anomalies", SIAM J. Appl. Math. 17, 1969.)
        """
        return -self.request.sampling.max_tokens, *self._likeness

    @property
    def shortest_first(self) -> tuple[int, str, str]:
        """As `longest_first`, with one-token answers first: under a time limit they give most for it."""
        return _KINDS.index(self.kind), *self._likeness

    @property
    def _likeness(self) -> tuple[str, str]:
        """Equal types share their instructions, and so their computation."""
        text = "\0".join(message.content for message in self.request.messages)
        return (self.prepared.task.type if self.prepared else ""), text

    def shorten(self, run: bytes, tokens: int) -> None:
        """Cap the answer, if that is below its own cap. A shorter answer has a key of its own."""
        sampling = self.request.sampling
        if tokens < sampling.max_tokens:
            self.cap = tokens
            self.request = replace(self.request, sampling=replace(sampling, max_tokens=tokens))
            prompt = self.row.question.prompt if self.row.question else ""
            self.key = request_key(run, prompt, self.request, self.prepared.reading.doubt if self.prepared else "")

    def finish(self, predictor: Predictor, completion: Completion) -> Result:
        """The result that a completion stands for."""
        usage = Usage(completion.prompt_tokens, completion.output_tokens, completion.finish_reason, completion.logprobs)
        if self.prepared is None:
            outcome = Outcome.ERROR if completion.error else Outcome.CLEAN
            answer = None if completion.error else completion.text
            prediction = Prediction(self.row.id, None, answer, outcome, error=completion.error)
        else:
            prediction = predictor.finish(self.prepared, completion)
        whole = prediction.outcome in (Outcome.CLEAN, Outcome.REPAIRED)
        if self.cap is not None and completion.finish_reason == "length" and whole:
            prediction = replace(prediction, outcome=Outcome.SHORTENED)
        return Result(self.row, prediction, Origin.ASKED, usage)

    def unasked(self) -> Result:
        """The answer when there is no time to ask."""
        if self.prepared is None:
            return _no_time(self.row)
        return _default(self.row, self.prepared.task, self.prepared.reading)


def question_job(predictor: Predictor, run: bytes, row: Row, question: Question, number: str) -> Job | Result:
    """The job that asks a question, or the result where its prompt cannot be made to fit.

    Raises:
        RequestError: the row names a model that is not there.
    """
    adapter = adapter_of(row.model, predictor.model_name, predictor.engine.adapters)
    prepared = predictor.prepare(question, number, task_of(row.task_type) if row.task_type else None)
    if isinstance(prepared, Prediction):
        return Result(row, prepared, Origin.UNASKED)
    if adapter is not None:
        prepared = replace(prepared, request=replace(prepared.request, adapter=adapter))
    request = prepared.request
    key = request_key(run, question.prompt, request, prepared.reading.doubt)
    return Job(row, key, request, prepared, AnswerKind.of(request))


def chat_job(predictor: Predictor, run: bytes, row: Row, chat: ModelRequest, number: str) -> Job:
    """The job that continues a ready-made conversation, or a plain prompt.

    Raises:
        RequestError: the row names a model that is not there.
    """
    request = chat.request(predictor.engine, predictor.model_name, number, row.part)
    return Job(row, request_key(run, "", request), request, None, AnswerKind.of(request))


def unasked(row: Row) -> Result:
    """The answer to a row that was only read, when there is no time to ask."""
    if row.question is None:
        return _no_time(row)
    task = task_of(row.task_type) if row.task_type else route(row.question)
    return _default(row, task, task.read(row.question))


def _default(row: Row, task: Task, reading: Reading) -> Result:
    prediction = Prediction(row.answer_id, task.type, reading.answer("").text, Outcome.UNASKED)
    return Result(row, prediction, Origin.UNASKED)


def _no_time(row: Row) -> Result:
    """A row without a question keeps its own failure; a conversation has no default answer."""
    failure = row.failure or Failure(NO_TIME, "not asked: the time was up; run again with a larger --time-budget")
    return Result(row, Prediction(row.answer_id, None, None, Outcome.ERROR, error=failure), Origin.UNASKED)
