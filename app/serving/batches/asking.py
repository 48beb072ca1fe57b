"""One line of a batch, answered as if it had been sent to its endpoint."""

import asyncio
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import ValidationError

from app.errors import EngineError
from app.serving.answering import ENGINE_FAILED
from app.serving.batches.lines import Line
from app.serving.batches.schemas import CHAT
from app.serving.openai_routes import Chat, check_limits
from app.serving.openai_schemas import ChatRequest
from app.serving.predict import answer_all, asked_of, predict_response
from app.serving.problems import FieldError, ProblemError, invalid_fields
from app.serving.schemas import PredictRequest
from app.serving.service import Service
from app.serving.waiting import until

OK = 200


@dataclass(frozen=True, slots=True)
class Reply:
    """What the endpoint would have sent."""

    status: int
    body: dict[str, Any]


class Asking(Protocol):
    """Who answers lines."""

    async def reply(self, endpoint: str, line: Line) -> Reply:
        """The answer to one line; cancelling it aborts it in the engine.

        Raises:
            EngineError: the engine failed; the line may be asked again.
        """
        ...


class ServiceAsking:
    """Lines go the way of online requests, but for the queue: they have a share of their own."""

    def __init__(self, service: Service, chat: Chat | None) -> None:
        self._service = service
        self._chat = chat

    async def reply(self, endpoint: str, line: Line) -> Reply:
        """As `Asking`; what the endpoint refuses is a reply too."""
        try:
            body = await (self._complete(line.body) if endpoint == CHAT else self._predict(line.body))
        except ValidationError as error:
            return refused(invalid_fields(error.errors()))
        except ProblemError as problem:
            if problem.code == ENGINE_FAILED:
                raise EngineError(problem.detail) from problem
            return refused(problem)
        return Reply(OK, body)

    def _late(self) -> float:
        return asyncio.get_running_loop().time() + self._service.settings.max_timeout

    async def _complete(self, body: dict[str, Any]) -> dict[str, Any]:
        if self._chat is None:
            raise ProblemError(404, "no_such_path", "this server's engine completes no conversations")
        request = ChatRequest.model_validate(body)
        if request.stream:
            message = "a batch has no streams: leave it out"
            raise ProblemError(
                422, "invalid_request", f"stream: {message}", errors=[FieldError(field="stream", message=message)]
            )
        check_limits(request, self._service.settings)
        completion: dict[str, Any] = await until(self._late(), self._chat.complete(request))
        return completion

    async def _predict(self, body: dict[str, Any]) -> dict[str, Any]:
        """A whole request, or one question, which gets its prediction alone, as in `shopbench predict`."""
        single = "questions" not in body
        request = PredictRequest.model_validate(_wrapped(body) if single else body)
        questions = asked_of(request, self._service)
        # No more at a time than the share of batches has, whatever a line holds.
        answers = await answer_all(self._service, self._late(), questions, self._service.settings.batch_concurrency)
        for answered in answers:
            failure = answered.prediction.error
            if failure is not None and failure.code == ENGINE_FAILED:
                raise EngineError(failure.message)
        response = predict_response(self._service, request, answers)
        return {**response["predictions"][0], "prompts": response["prompts"]} if single else response


def _wrapped(question: dict[str, Any]) -> dict[str, Any]:
    inner = {name: value for name, value in question.items() if name != "model"}
    return {"questions": [inner]} | ({"model": question["model"]} if "model" in question else {})


def refused(problem: ProblemError) -> Reply:
    """The reply that a problem stands for."""
    return Reply(problem.status, problem.document())
