"""The only place where parts are joined."""

from app.config import Settings
from app.engines.registry import create_engine
from app.predictor import Predictor
from app.prompting import PromptLibrary


def create_predictor(settings: Settings) -> Predictor:
    """A ready predictor. Prompts are checked before the engine loads, since loading takes the longest.

    Raises:
        SetupError: what is missing or wrong, with the fix.
    """
    prompts = PromptLibrary(settings.prompts)
    engine = create_engine(settings.engine, settings.model, {"seed": settings.seed} | settings.engine_settings)
    return Predictor(engine, prompts)
