"""What the routes share."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from starlette.requests import Request

from app.async_predictor import AsyncPredictor
from app.errors import EngineError
from app.serving.admission import Admission, RateLimit
from app.serving.health import Health
from app.serving.metrics import Metrics
from app.serving.problems import ProblemError
from app.serving.request_context import clean_up
from app.serving.settings import ServerSettings


def no_such_model() -> ProblemError:
    """404. Made anew each time: an error that is raised again keeps the frames of every request that met it."""
    return ProblemError(404, "no_such_model", "there is no such model; GET /v1/models lists them")


@dataclass(frozen=True, slots=True)
class Service:
    """A loaded model with everything that guards it."""

    predictor: AsyncPredictor
    settings: ServerSettings
    model_name: str
    admission: Admission
    rates: RateLimit
    health: Health
    metrics: Metrics

    def adapter(self, model: str | None) -> str | None:
        """The LoRA adapter that a request's `model` stands for, or None for the model itself.

        Raises:
            ProblemError: 404, there is neither.
        """
        if model is None or model == self.model_name:
            return None
        if model not in self.predictor.engine.adapters:
            raise no_such_model()
        return model

    def admit(self, request: Request, questions: int) -> None:
        """As `hold`, for what the engine shall answer.

        Raises:
            ProblemError: as `hold`.
            EngineError: the engine has failed for good.
        """
        if not self.health.live:
            raise EngineError("the engine has failed")
        self.hold(request, questions)

    def hold(self, request: Request, questions: int) -> None:
        """Hold places until the response is sent, and count the questions against the rate of the request's key.

        Raises:
            ProblemError: 429 or 422, see `Admission`; 429, see `RateLimit`.
        """
        with self._counting_refusals(questions):
            self.admission.check(questions)
            self.rates.take(request.scope.get("shopbench.key", ""), questions)
        clean_up(request.scope).enter_context(self.admission.enter(questions))

    @contextmanager
    def _counting_refusals(self, questions: int) -> Iterator[None]:
        try:
            yield
        except ProblemError as problem:
            self.metrics.refused(problem.code, questions)
            raise
