"""The identity of a run, from its settings."""

from collections.abc import Mapping
from pathlib import Path

from app.batch.checkpoint_revision import checkpoint_revision, folder_revision
from app.batch.request_key import Identity
from app.config import Settings
from app.predictor import Predictor
from app.prompting import PromptLibrary

_NUMERIC_SETTINGS = ("dtype", "quantization")
"""Engine settings that change answers. Others, such as how much memory is used, may change between two runs."""


def settings_identity(settings: Settings) -> Identity:
    """What is known before the engine is loaded.

    Raises:
        SetupError: there is no such checkpoint, or a template is bad.
    """
    given = settings.engine_settings
    identity = {
        "model": settings.model,
        "model revision": checkpoint_revision(settings.model),
        "prompts": PromptLibrary(settings.prompts).fingerprint,
        "engine": settings.engine,
    }
    return (
        identity
        | _adapters(given.get("adapters"))
        | {name: str(given.get(name) or "auto") for name in _NUMERIC_SETTINGS}
    )


def loaded_identity(known: Identity, predictor: Predictor) -> Identity:
    """All of it, once the engine is there."""
    return {**known, "engine version": predictor.engine.version}


def _adapters(folders: object) -> dict[str, str]:
    if not isinstance(folders, Mapping):
        return {"adapters": "none"}
    named = [f"{name}@{folder_revision(Path(str(folder)))}" for name, folder in sorted(folders.items())]
    return {"adapters": ", ".join(named) or "none"}
