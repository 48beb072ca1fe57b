"""Batches of questions under a time limit, as the competition sets one."""

import time
from collections.abc import Callable, Sequence

from app.jobs.budget import Budget, Pace
from app.jobs.identity import identity_digest
from app.jobs.job import Result
from app.jobs.run import BatchRun, Limits
from app.predictor import Predictor
from app.rows import Row
from app.types import Prediction, Question


class TimedPredictor:
    """Answers each batch within its limit; what it learns of the engine's pace serves the next batch."""

    def __init__(
        self, predictor: Predictor, seconds_per_question: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """The limit of a batch is `seconds_per_question` times its length."""
        self.predictor = predictor
        self._seconds = seconds_per_question
        self._clock = clock
        self._pace = Pace(clock)

    def predict(self, questions: Sequence[Question]) -> list[Prediction]:
        """Answers in the order of the questions, one each, never empty."""
        predictions: list[Prediction] = []

        def sink(result: Result) -> None:
            predictions.append(result.prediction)

        budget = Budget(self._seconds * len(questions), len(questions), self._pace, self._clock)
        run = BatchRun(self.predictor, None, identity_digest({}), sink, Limits(budget=budget), self._clock)
        run.run(Row(number, question.id, question) for number, question in enumerate(questions))
        return predictions
