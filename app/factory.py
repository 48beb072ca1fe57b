"""The only place where parts are joined."""

from app.async_predictor import AsyncPredictor
from app.config import Settings
from app.engines.registry import create_async_engine, create_engine
from app.predictor import Predictor
from app.prompting import PromptLibrary


def create_predictor(settings: Settings) -> Predictor:
    """A ready predictor. Prompts are checked before the engine loads, since loading takes the longest.

    Raises:
        SetupError: what is missing or wrong, with the fix.
    """
    prompts = PromptLibrary(settings.prompts)
    engine = create_engine(settings.engine, settings.model, {"seed": settings.seed} | settings.engine_settings)
    return Predictor(engine, prompts, settings.task_adapters)


def create_async_predictor(settings: Settings) -> AsyncPredictor:
    """A ready predictor for a server.

    Raises:
        SetupError: what is missing or wrong, with the fix.
    """
    prompts = PromptLibrary(settings.prompts)
    engine = create_async_engine(settings.engine, settings.model, {"seed": settings.seed} | settings.engine_settings)
    return AsyncPredictor(engine, prompts, settings.task_adapters)
