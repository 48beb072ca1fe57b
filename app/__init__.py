"""ShopBench from Python.

    from app import Question, evaluate, load

    with load("path or hub name of a checkpoint") as predictor:
        predictor.predict([Question("a", "Which is a fruit? ...", is_multiple_choice=True), "Explain a teapot."])

        print(evaluate("data/sample.jsonl", predictor).report.overall.mean_over_tasks)

`load_async` is the same for programs with an event loop, and `route` needs no model. What a caller can mend raises a
`ShopBenchError` whose message is one line: `SetupError`, `InputError` or `EngineError`.

Importing this takes no heavy library along; the functions import what they need when they are called. No package of
`app` has the name of one of them: Python would put the package in the function's place as soon as it is imported.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from app.errors import EngineError, InputError, SetupError, ShopBenchError
from app.types import Outcome, Prediction, Question, TaskType

if TYPE_CHECKING:
    from app.evaluation.evaluation import Evaluation
    from app.predictor import AsyncPredictor, Predictor
    from app.settings import Settings

__all__ = [
    "EngineError",
    "InputError",
    "Outcome",
    "Prediction",
    "Question",
    "SetupError",
    "ShopBenchError",
    "TaskType",
    "evaluate",
    "load",
    "load_async",
    "route",
]


def load(model: str | Path | None = None, *, config: str | Path | None = None, **settings: object) -> "Predictor":
    """A predictor with its model loaded, in this process: `predict` answers a list, `stream` one after the other.

    It is a context manager that frees the model at its end.

    Args:
        model: folder or hub name of a checkpoint; left out, the one that `config` or SHOPBENCH_MODEL names.
        config: a YAML file of settings, such as those in `configs/`; `settings` win over it and the environment.
        settings: fields of `app.settings.Settings`, such as `engine="transformers"`.

    Raises:
        SetupError: what is missing or wrong, with the fix.
    """
    from app.predictor import create_predictor

    return create_predictor(_settings(model, config, settings))


def load_async(
    model: str | Path | None = None, *, config: str | Path | None = None, **settings: object
) -> "AsyncPredictor":
    """As `load`, for programs with an event loop: `await predictor.predict([...])`, from many tasks at once.

    It is an asynchronous context manager. Loading is not awaited and takes up to minutes: load before the event loop
    has other work. The engine runs in a process of its own, which reads the calling script again, so a script needs
    `if __name__ == "__main__":` around what it does.

    Raises:
        SetupError: as `load`, and for an engine that works offline only.
    """
    from app.predictor import create_async_predictor

    return create_async_predictor(_settings(model, config, settings))


def route(question: Question | str) -> TaskType:
    """The task type that a question is answered as, from its prompt and its mark alone."""
    from app.routing import route as route_question

    return route_question(question if isinstance(question, Question) else Question("", question)).type


def evaluate(
    data: str | Path, answers: "Predictor | Iterable[Prediction] | str | Path", *, seed: int = 0
) -> "Evaluation":
    """How good answers are, scored as the competition does: `report` has the figures, `results` each sample's.

    `write_evaluation` and `evaluate` of `app.evaluation.evaluation` keep the report, and take more.

    Args:
        data: labelled samples: a file or a folder in any format that `shopbench evaluate` reads.
        answers: a predictor, which is asked now; or its predictions; or the file that `shopbench predict` wrote.
        seed: of the bootstrap.

    Raises:
        InputError: data or answers that cannot be read, or that do not belong together.
        EngineError: the predictor's engine failed.
    """
    from app.evaluation.evaluation import evaluate as evaluate_samples

    return evaluate_samples(data, answers, seed=seed)


def _settings(model: str | Path | None, config: str | Path | None, given: dict[str, object]) -> "Settings":
    from app.settings import load_settings

    return load_settings(Path(config) if config else None, {"model": str(model) if model else None} | given)
