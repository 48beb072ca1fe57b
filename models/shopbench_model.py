"""The predictor behind the competition's interface."""

import os

from app.jobs.run import TimedPredictor
from app.predictor import create_predictor
from app.settings import ROOT, load_settings
from app.types import Prediction, Question
from models.base_model import ShopBenchBaseModel

CONFIG_VARIABLE = "SHOPBENCH_CONFIG"
SEED_VARIABLE = "AICROWD_RUN_SEED"
BATCH_SIZE = 16
SECONDS_PER_QUESTION = 10.0
"""The competition's limit, counted over a batch."""


class ShopBenchModel(ShopBenchBaseModel):
    """Settings come from `configs/submission.yaml`, or the file named by SHOPBENCH_CONFIG.

    `predictions` says how the answers of the last batch came about, for whoever evaluates more than the text.
    """

    def __init__(self) -> None:
        """Load the model.

        Raises:
            SetupError: what is missing or wrong, with the fix.
        """
        config = os.environ.get(CONFIG_VARIABLE, ROOT / "configs" / "submission.yaml")
        self.predictor = create_predictor(load_settings(ROOT / config, {"seed": os.environ.get(SEED_VARIABLE)}))
        self._timed = TimedPredictor(self.predictor, SECONDS_PER_QUESTION)
        self.predictions: list[Prediction] = []

    def get_batch_size(self) -> int:
        """The largest batch that the evaluator gives."""
        return BATCH_SIZE

    def batch_predict(self, batch: dict[str, list[str]], is_multiple_choice: bool) -> list[str]:
        """One answer for each prompt, in the same order and in time; every answer is text."""
        questions = [
            Question(str(position), prompt, is_multiple_choice) for position, prompt in enumerate(batch["prompt"])
        ]
        self.predictions = self._timed.predict(questions)
        return [prediction.answer or "" for prediction in self.predictions]
