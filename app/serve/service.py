"""What the routes share: the model with its guards, and how a body is read."""

import json
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from app.errors import EngineError
from app.openai.wire import check_size, read_body
from app.predictor import AsyncPredictor
from app.serve.admission import Admission, RateLimit
from app.serve.middleware.context import clean_up
from app.serve.operations import Health, Metrics
from app.serve.problems import KNOWN, ProblemError
from app.serve.server_settings import ServerSettings
from app.serve.waiting import deadline, until


@dataclass(frozen=True, slots=True)
class Service:
    """A loaded model with everything that guards it."""

    predictor: AsyncPredictor
    settings: ServerSettings
    admission: Admission
    rates: RateLimit
    health: Health
    metrics: Metrics
    started: int = field(default_factory=lambda: int(time.time()))

    def admit(self, request: Request, questions: int) -> None:
        """As `hold`, for what the engine shall answer; EngineError where it has failed for good."""
        if not self.health.live:
            raise EngineError("the engine has failed")
        self.hold(request, questions)

    def hold(self, request: Request, questions: int) -> None:
        """Hold places until the response is sent, and count the questions against the rate of the request's key.

        Raises:
            ProblemError: 429 or 422, see `Admission`; 429, see `RateLimit`.
        """
        try:
            self.admission.check(questions)
            self.rates.take(request.scope.get("shopbench.key", ""), questions)
        except ProblemError as problem:
            self.metrics.refused(problem.code, questions)
            raise
        clean_up(request.scope).enter_context(self.admission.enter(questions))


def reading_route(service: Service) -> type[APIRoute]:
    """Routes that bound a JSON body before its model sees it, and read a large one in a thread, until it is late."""

    class ReadingRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()
            if self.body_field is None:
                return handle
            model: type[BaseModel] = self.body_field.field_info.annotation  # type: ignore[assignment]  # all of ours are

            async def read(request: Request) -> Response:
                given = _ReadRequest(request.scope, request.receive)
                if body := await given.body():
                    late = deadline(request, None, service.settings)
                    given.found = await until(late, service.predictor.apart(partial(_read, model, body), len(body)))
                return await handle(given)

            return read

    return ReadingRoute


class _ReadRequest(Request):
    """A request whose body was read. FastAPI, which would do so on the event loop, finds the model made."""

    found: BaseModel | None = None

    async def json(self) -> BaseModel | None:
        return self.found


def _read(model: type[BaseModel], body: bytes) -> BaseModel:
    try:
        data = json.loads(body)
    except json.JSONDecodeError as error:
        raise ProblemError(400, "bad_request", f"the body is not JSON: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise ProblemError(400, "bad_request", KNOWN[400][1] or "") from error
    check_size(data)
    return read_body(model, data)
