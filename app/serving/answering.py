"""A request's questions answered side by side, each with what a client may want to know about it."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from app.errors import EngineError
from app.jsonl import prediction_row
from app.predictor import Prepared
from app.routing import explain
from app.serving.service import Service
from app.tasks.base import Task
from app.tasks.registry import task_of
from app.types import Failure, Outcome, Prediction, Question, TaskType

TIMEOUT, ENGINE_FAILED = "timeout", "engine_failed"
NAMED = "named in the request"
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with the type and the LoRA adapter that the request names for it."""

    question: Question
    task_type: TaskType | None = None
    adapter: str | None = None

    def route(self) -> tuple[Task, str]:
        """The task, and why."""
        if self.task_type is not None:
            return task_of(self.task_type), NAMED
        found = explain(self.question)
        return found.task, found.reason


@dataclass(frozen=True, slots=True)
class Answered:
    """A prediction with how it came about. `prepared` is None where the engine was not asked."""

    prediction: Prediction
    reason: str
    prepared: Prepared | None = None

    def row(self, *, explained: bool) -> dict[str, Any]:
        """As `PredictionBody`."""
        row = prediction_row(self.prediction, "")
        del row["prompts"]
        if explained:
            row |= {"reason": self.reason, "messages": messages_of(self.prepared), "raw": self.prediction.raw}
            row["seconds"] = round(self.prediction.seconds, 4)
        return row


def messages_of(prepared: Prepared | None) -> list[dict[str, str]]:
    """The conversation that the model saw; empty where it saw none."""
    messages = prepared.request.messages if prepared else ()
    return [{"role": message.role, "content": message.content} for message in messages]


class Answering:
    """Answers one request's questions until its deadline (on the event loop's clock)."""

    def __init__(self, service: Service, late: float) -> None:
        self._service = service
        self._predictor = service.predictor
        self._late = late

    async def answer(self, asked: Asked) -> Answered:
        """The answer, or the error that stands for it. What is late is aborted in the engine."""
        task, reason = await self._predictor.apart(asked.route, len(asked.question.prompt))
        prepared: Prepared | None = None
        try:
            async with asyncio.timeout_at(self._late):
                prepared, prediction = await self._prepare(asked, task)
                if prepared is not None:
                    prediction = await self._predictor.answer(prepared)
        except (TimeoutError, EngineError) as error:
            prediction = _without_answer(asked, task, error)
        return self._done(Answered(prediction, reason, prepared))

    async def trace(self, asked: Asked, tell: Callable[[dict[str, Any]], None]) -> Answered:
        """As `answer`, telling the route and each piece of text on the way."""
        task, reason = await self._predictor.apart(asked.route, len(asked.question.prompt))
        prepared: Prepared | None = None
        name = asked.question.id
        try:
            async with asyncio.timeout_at(self._late):
                prepared, prediction = await self._prepare(asked, task)
                routed = {"event": "routed", "id": name, "task_type": task.type, "reason": reason}
                tell(routed | {"messages": messages_of(prepared)})
                if prepared is not None:
                    async with aclosing(self._predictor.stream(prepared)) as pieces:
                        async for piece in pieces:
                            if isinstance(piece, Prediction):
                                prediction = piece
                            else:
                                tell({"event": "delta", "id": name, "text": piece})
        except (TimeoutError, EngineError) as error:
            prediction = _without_answer(asked, task, error)
        return self._done(Answered(prediction, reason, prepared))

    async def rows(self, questions: list[Asked], *, explained: bool) -> AsyncGenerator[dict[str, Any], None]:
        """What a stream sends, in order of completion."""
        ready: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

        async def one(asked: Asked) -> None:
            try:
                if explained:
                    answered = await self.trace(asked, ready.put_nowait)
                    ready.put_nowait({"event": "prediction", **answered.row(explained=True)})
                else:
                    ready.put_nowait((await self.answer(asked)).row(explained=False))
            finally:
                ready.put_nowait(None)

        # No task group: closing a generator that is inside one ends in an exception group.
        running = [asyncio.create_task(one(asked)) for asked in questions]
        try:
            left = len(questions)
            while left:
                row = await ready.get()
                if row is None:
                    left -= 1
                else:
                    yield row
            for task in running:
                task.result()
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _prepare(self, asked: Asked, task: Task) -> tuple[Prepared | None, Prediction]:
        question = asked.question
        work = partial(self._predictor.prepare, question, question.id, task)
        made = await self._predictor.apart(work, len(question.prompt))
        if isinstance(made, Prediction):
            return None, made
        if asked.adapter is not None:
            made = replace(made, request=replace(made.request, adapter=asked.adapter))
        return made, _unanswered(asked, task)

    def _done(self, answered: Answered) -> Answered:
        self._service.metrics.answered(answered.prediction)
        if self._service.settings.log_prompts and answered.prepared is not None:
            log.info(
                "answered",
                extra={"prompt": answered.prepared.question.prompt, "answer": answered.prediction.answer},
            )
        return answered


def _unanswered(asked: Asked, task: Task) -> Prediction:
    return Prediction(asked.question.id, task.type, None, Outcome.ERROR)


def _without_answer(asked: Asked, task: Task, error: Exception) -> Prediction:
    if isinstance(error, TimeoutError):
        failure = Failure(TIMEOUT, "no answer within the request's time: allow more, or ask less at once")
    else:
        log.error("engine failed", extra={"reason": str(error)})
        failure = Failure(ENGINE_FAILED, "the engine failed; try again shortly")
    return Prediction(asked.question.id, task.type, None, Outcome.ERROR, error=failure)
