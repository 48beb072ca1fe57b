"""`/v1/predict` and `/v1/route`: questions in, answers or types out."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Request
from pydantic import BaseModel, Field, JsonValue
from starlette.responses import JSONResponse, Response

from app.files import dump
from app.openai.chat import adapter_of
from app.openai.wire import FieldError, invalid
from app.rows import PredictRequest, Questions
from app.serve.predict.service import ENGINE_FAILED, TIMEOUT, Answered, Answering, Asked, characters_of
from app.serve.problems import ProblemError, problem_responses
from app.serve.service import Service
from app.serve.waiting import TIMEOUT_PARAMETER, Stream, deadline, unless_gone, until
from app.types import Outcome, Question, TaskType

NDJSON = "application/x-ndjson"
COMMON = (400, 401, 403, 405, 408, 413, 415, 422, 429, 500)
STREAM_DOC: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Predictions in the order of the questions, or as a stream in order of completion.",
        "content": {NDJSON: {"schema": {"type": "string", "description": "One prediction a line."}}},
    }
}

EXAMPLE: dict[str, JsonValue] = {
    "questions": [
        {
            "id": "wattage",
            "prompt": "Which of these is sold by its wattage?\n0. bookmark\n1. hair dryer\n2. doormat\nAnswer: ",
            "is_multiple_choice": True,
        }
    ]
}
EXAMPLES = Body(examples=[EXAMPLE])


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
    label_mass: float | None = Field(None, description="The sum of the labels' probabilities before that.")
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
    router = APIRouter(tags=["questions"])

    @router.post(
        "/v1/predict",
        summary="Answer questions",
        response_model=PredictResponse,
        openapi_extra=TIMEOUT_PARAMETER,
        responses={**problem_responses(*COMMON, 404, 503, 504), **STREAM_DOC},
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
        answers = await unless_gone(request, answer_all(service, late, questions))
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


async def routes_of(service: Service, questions: list[Asked]) -> list[dict[str, Any]]:
    """One `RouteBody` a question. Long requests give way to others between their questions."""
    characters = characters_of(questions)
    routes = []
    for asked in questions:
        task, reason = await service.predictor.apart(asked.route, characters)
        routes.append({"id": asked.question.id, "task_type": task.type, "reason": reason})
    return routes


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


async def answer_all(service: Service, late: float, questions: list[Asked], most: int | None = None) -> list[Answered]:
    """All answers, side by side or `most` at a time; `late` is on the event loop's clock.

    Raises:
        ProblemError: 503 or 504, no question at all has an answer.
    """
    answers = await Answering(service, late, questions, most).all()
    _raise_common_failure(answers)
    return answers


def predict_response(service: Service, body: PredictRequest, answers: list[Answered]) -> dict[str, Any]:
    """As `PredictResponse`."""
    rows = [answered.row(explained=body.explain) for answered in answers]
    return {
        "model": body.model or service.predictor.model_name,
        "prompts": service.predictor.prompts.fingerprint,
        "predictions": rows,
    }


async def _lines(answering: Answering, *, explained: bool) -> AsyncGenerator[str, None]:
    async with aclosing(answering.rows(explained=explained)) as rows:
        async for row in rows:
            yield dump(row) + "\n"


def _raise_common_failure(answers: list[Answered]) -> None:
    """Where no question has an answer, the whole request has failed."""
    errors = [answered.prediction.error for answered in answers if answered.prediction.answer is None]
    if len(errors) < len(answers) or errors[0] is None:
        return
    if all(error is not None and error.code == TIMEOUT for error in errors):
        raise ProblemError(504, TIMEOUT, errors[0].message)
    raise ProblemError(503, ENGINE_FAILED, "the engine failed; try again shortly")
