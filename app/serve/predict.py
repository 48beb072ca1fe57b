"""`/v1/predict` and `/v1/route`: a request's questions side by side, each with what a client may want to know of it."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Request
from pydantic import BaseModel, Field, JsonValue
from starlette.responses import JSONResponse, Response

from app.errors import EngineError
from app.files import dump
from app.openai.request import adapter_of
from app.openai.wire import FieldError, invalid
from app.predictor import Prepared
from app.routing import explain
from app.rows import PredictRequest, Questions, prediction_row
from app.serve.problems import ProblemError, problem_responses
from app.serve.service import Service, reading_route
from app.serve.waiting import TIMEOUT_PARAMETER, Stream, Tell, deadline, side_by_side, unless_gone, until
from app.tasks.base import Task
from app.tasks.registry import task_of
from app.types import Failure, Outcome, Prediction, Question, TaskType

TIMEOUT, ENGINE_FAILED = "timeout", "engine_failed"
log = logging.getLogger(__name__)
NDJSON = "application/x-ndjson"
COMMON = (400, 401, 403, 405, 408, 413, 415, 422, 429, 500)
STREAM_DOC = {
    "description": "Predictions in the order of the questions, or as a stream in order of completion.",
    "content": {NDJSON: {"schema": {"type": "string", "description": "One prediction a line."}}},
}
EXAMPLE: dict[str, JsonValue] = {
    "id": "wattage",
    "prompt": "Which of these is sold by its wattage?\n0. bookmark\n1. hair dryer\n2. doormat\nAnswer: ",
    "is_multiple_choice": True,
}
EXAMPLES = Body(examples=[{"questions": [EXAMPLE]}])


class RouteBody(BaseModel):
    """A question's type, and the wording that gave it away."""

    id: str
    task_type: TaskType
    reason: str


class RouteResponse(BaseModel):
    """One route a question, in their order."""

    routes: list[RouteBody]


class MessageBody(BaseModel):
    """One turn of the conversation that the model saw."""

    role: Literal["system", "user", "assistant"]
    content: str


class ErrorBody(BaseModel):
    """Why a question has no answer, or only a fallback."""

    code: str = Field(examples=["timeout", "engine_failed", "too_long", "prompt_too_long"])
    message: str


class PredictionBody(BaseModel):
    """The answer to one question."""

    id: str
    task_type: TaskType | None = Field(description="Null only where the time was over before the type was known.")
    answer: str | None = Field(description="As the competition's evaluator reads it; null only beside an error.")
    outcome: Outcome
    label_probs: dict[str, float] | None = Field(None, description="For a choice: the labels' probabilities, sum 1.")
    label_mass: float | None = Field(None, description="Their sum before that; null where texts were compared.")
    error: ErrorBody | None = None
    reason: str | None = Field(None, description="With `explain`: why the question is of this type.")
    messages: list[MessageBody] | None = Field(None, description="With `explain`: the prompt as rendered.")
    raw: str | None = Field(None, description="With `explain`: the model's own text.")
    seconds: float | None = Field(None, description="With `explain`: from handing over to the engine to the answer.")


class PredictResponse(BaseModel):
    """One prediction a question, in their order."""

    model: str
    prompts: str = Field(description="Fingerprint of the prompt templates.")
    predictions: list[PredictionBody]


def question_router(service: Service) -> APIRouter:
    """The routes that take questions."""
    router = APIRouter(tags=["questions"], route_class=reading_route(service))

    @router.post(
        "/v1/predict",
        summary="Answer questions",
        response_model=PredictResponse,
        openapi_extra=TIMEOUT_PARAMETER,
        responses={**problem_responses(*COMMON, 404, 503, 504), 200: STREAM_DOC},
    )
    async def predict(body: Annotated[PredictRequest, EXAMPLES], request: Request) -> Response:
        """Answers 1 to 256 questions, each routed, rendered and constrained as in the competition.

        With `Accept: application/x-ndjson` each answer is a line, sent as soon as it is there. A question that
        fails or is late has an `error` of its own; where all of them do, the status says so (503, 504).
        """
        questions = asked_of(body, service)
        late = deadline(request, body.timeout, service.settings)
        service.admit(request, len(questions))
        if NDJSON in request.headers.get("accept", ""):
            return Stream(_lines(Answering(service, late, questions), explained=body.explain), NDJSON)
        answers = await unless_gone(request, Answering(service, late, questions).all())
        return JSONResponse(predict_response(service, body, answers))

    @router.post(
        "/v1/route",
        summary="Tell the type of questions",
        response_model=RouteResponse,
        openapi_extra=TIMEOUT_PARAMETER,
        responses=problem_responses(*COMMON, 504),
    )
    async def route(body: Annotated[Questions, EXAMPLES], request: Request) -> Response:
        """The type of each question and the wording that gave it away. Needs no engine, but its places in the queue."""
        questions = asked_of(body, service)
        late = deadline(request, None, service.settings)
        service.hold(request, len(questions))
        routes = await until(late, unless_gone(request, routes_of(service, questions)))
        return JSONResponse({"routes": routes})

    return router


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with the type and the LoRA adapter that the request names for it."""

    question: Question
    task_type: TaskType | None = None
    adapter: str | None = None

    def route(self) -> tuple[Task, str]:
        """The task, and why."""
        if self.task_type is not None:
            return task_of(self.task_type), "named in the request"
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
        reason = "not routed in time"
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
        self._service.metrics.answered(prediction)
        if self._service.settings.log_prompts and prepared is not None:
            log.info("answered", extra={"prompt": prepared.question.prompt, "answer": prediction.answer})
        return Answered(prediction, reason, prepared)

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


async def _lines(answering: Answering, *, explained: bool) -> AsyncGenerator[str, None]:
    async with aclosing(answering.rows(explained=explained)) as rows:
        async for row in rows:
            yield dump(row) + "\n"


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
    predictor = service.predictor
    head = {"model": body.model or predictor.model_name, "prompts": predictor.prompts.fingerprint}
    return head | {"predictions": [answered.row(explained=body.explain) for answered in answers]}


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
