"""What the routes share."""

import time
from dataclasses import dataclass, field

from starlette.requests import Request

from app.errors import EngineError
from app.predictor import AsyncPredictor
from app.serve.admission import Admission, RateLimit
from app.serve.middleware.context import clean_up
from app.serve.operations import Health, Metrics
from app.serve.problems import ProblemError
from app.serve.server_settings import ServerSettings


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
