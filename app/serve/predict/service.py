"""A request's questions answered side by side, each with what a client may want to know about it."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from app.errors import EngineError
from app.openai.chat import adapter_of
from app.openai.wire import FieldError, invalid
from app.predictor import Prepared
from app.routing import explain
from app.rows import PredictRequest, Questions, prediction_row
from app.serve.problems import ProblemError
from app.serve.service import Service
from app.serve.waiting import Tell, side_by_side
from app.tasks.base import Task
from app.tasks.registry import task_of
from app.types import Failure, Outcome, Prediction, Question, TaskType

TIMEOUT, ENGINE_FAILED = "timeout", "engine_failed"
NAMED = "named in the request"
UNROUTED = "not routed in time"
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
        else:
            row.pop("raw", None)
        return row


def messages_of(prepared: Prepared | None) -> list[dict[str, str]]:
    """The conversation that the model saw; empty where it saw none."""
    messages = prepared.request.messages if prepared else ()
    return [{"role": message.role, "content": message.content} for message in messages]


class Answering:
    """Answers one request's questions until its deadline (on the event loop's clock), `most` of them at a time."""

    def __init__(self, service: Service, late: float, questions: Sequence[Asked], most: int | None = None) -> None:
        self._service = service
        self._predictor = service.predictor
        self._late = late
        self._questions = questions
        self._characters = characters_of(questions)
        self._places = asyncio.Semaphore(most or len(questions))

    async def all(self) -> list[Answered]:
        """All answers, side by side, in the order of the questions.

        Raises:
            ProblemError: 503 or 504, no question at all has an answer.
        """
        if len(self._questions) == 1:
            # Most requests; a task of its own takes longer than the rest of what is done here.
            answers = [await self._answer(self._questions[0])]
        else:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._answer(asked)) for asked in self._questions]
            answers = [task.result() for task in tasks]
        _raise_common_failure(answers)
        return answers

    async def rows(self, *, explained: bool) -> AsyncGenerator[dict[str, Any], None]:
        """What a stream sends, in order of completion; explained, also each route and piece of text on the way."""

        async def one(asked: Asked, tell: Tell[dict[str, Any]]) -> None:
            answered = await self._answer(asked, tell if explained else None)
            row = answered.row(explained=explained)
            tell({"event": "prediction", **row} if explained else row)

        async with aclosing(side_by_side([partial(one, asked) for asked in self._questions])) as rows:
            async for row in rows:
                yield row

    async def _answer(self, asked: Asked, tell: Tell[dict[str, Any]] | None = None) -> Answered:
        """The answer, or the error that stands for it. What is late is aborted in the engine."""
        started = time.monotonic()
        task: Task | None = None
        reason = UNROUTED
        prepared: Prepared | None = None
        try:
            async with asyncio.timeout_at(self._late), self._places:
                found = await self._predictor.apart(asked.route, self._characters)
                task, reason = found
                prepared, prediction = await self._prepare(asked, task)
                if tell is not None:
                    routed = {"event": "routed", "id": asked.question.id, "task_type": task.type, "reason": reason}
                    tell(routed | {"messages": messages_of(prepared)})
                if prepared is not None and tell is None:
                    prediction = await self._predictor.answer(prepared)
                elif prepared is not None and tell is not None:
                    prediction = await self._told(prepared, tell)
        except (TimeoutError, EngineError) as error:
            seconds = time.monotonic() - started
            prediction = replace(_without_answer(asked, task), error=_failure(error), seconds=seconds)
        return self._done(Answered(prediction, reason, prepared))

    async def _told(self, prepared: Prepared, tell: Tell[dict[str, Any]]) -> Prediction:
        """The engine's answer; each piece of text is told as it comes."""
        async with aclosing(self._predictor.stream(prepared)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Prediction):
                    return piece
                tell({"event": "delta", "id": prepared.question.id, "text": piece})
        raise EngineError("the stream ended without a completion")

    async def _prepare(self, asked: Asked, task: Task) -> tuple[Prepared | None, Prediction]:
        question = asked.question
        work = partial(self._predictor.prepare, question, question.id, task)
        made = await self._predictor.apart(work, self._characters)
        if isinstance(made, Prediction):
            return None, made
        if asked.adapter is not None:
            made = replace(made, request=replace(made.request, adapter=asked.adapter))
        return made, _without_answer(asked, task)

    def _done(self, answered: Answered) -> Answered:
        self._service.metrics.answered(answered.prediction)
        if self._service.settings.log_prompts and answered.prepared is not None:
            log.info(
                "answered",
                extra={"prompt": answered.prepared.question.prompt, "answer": answered.prediction.answer},
            )
        return answered


def asked_of(body: Questions, service: Service) -> list[Asked]:
    """The questions of a request.

    Raises:
        RequestError: 422, a prompt is too long; 404, there is no such model.
    """
    longest = service.settings.max_prompt_characters
    message = f"longer than {longest} characters: shorten it"
    errors = [
        FieldError(field=f"questions.{number}.prompt", message=message)
        for number, question in enumerate(body.questions)
        if len(question.prompt) > longest
    ]
    if errors:
        raise invalid(errors)
    asked = body.model if isinstance(body, PredictRequest) else None
    adapter = adapter_of(asked, service.predictor.model_name, service.predictor.engine.adapters)
    return [
        Asked(Question(name, question.prompt, question.is_multiple_choice), question.task_type, adapter)
        for name, question in zip(body.ids, body.questions, strict=True)
    ]


async def routes_of(service: Service, questions: list[Asked]) -> list[dict[str, Any]]:
    """One `RouteBody` a question. Long requests give way to others between their questions."""
    characters = characters_of(questions)
    routes = []
    for asked in questions:
        task, reason = await service.predictor.apart(asked.route, characters)
        routes.append({"id": asked.question.id, "task_type": task.type, "reason": reason})
    return routes


def predict_response(service: Service, body: PredictRequest, answers: list[Answered]) -> dict[str, Any]:
    """As `PredictResponse`."""
    rows = [answered.row(explained=body.explain) for answered in answers]
    return {
        "model": body.model or service.predictor.model_name,
        "prompts": service.predictor.prompts.fingerprint,
        "predictions": rows,
    }


def characters_of(questions: Sequence[Asked]) -> int:
    """All that a request has the server compute on."""
    return sum(len(asked.question.prompt) for asked in questions)


def _raise_common_failure(answers: list[Answered]) -> None:
    """Where no question has an answer, the whole request has failed."""
    errors = [answered.prediction.error for answered in answers if answered.prediction.answer is None]
    if len(errors) < len(answers) or errors[0] is None:
        return
    if all(error is not None and error.code == TIMEOUT for error in errors):
        raise ProblemError(504, TIMEOUT, errors[0].message)
    raise ProblemError(503, ENGINE_FAILED, errors[0].message)


def _without_answer(asked: Asked, task: Task | None) -> Prediction:
    return Prediction(asked.question.id, task.type if task else None, None, Outcome.ERROR)


def _failure(error: Exception) -> Failure:
    if isinstance(error, TimeoutError):
        return Failure(TIMEOUT, "no answer within the request's time: allow more, or ask less at once")
    log.error("engine failed", extra={"reason": str(error)})
    return Failure(ENGINE_FAILED, "the engine failed; try again shortly")
