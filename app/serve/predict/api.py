"""`/v1/predict` and `/v1/route`: questions in, answers or types out."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Request
from pydantic import BaseModel, Field, JsonValue
from starlette.responses import JSONResponse, Response

from app.files import dump
from app.rows import PredictRequest, Questions
from app.serve.predict.service import Answering, asked_of, predict_response, routes_of
from app.serve.problems import problem_responses
from app.serve.service import Service
from app.serve.waiting import TIMEOUT_PARAMETER, Stream, deadline, unless_gone, until
from app.types import Outcome, TaskType

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


async def _lines(answering: Answering, *, explained: bool) -> AsyncGenerator[str, None]:
    async with aclosing(answering.rows(explained=explained)) as rows:
        async for row in rows:
            yield dump(row) + "\n"
