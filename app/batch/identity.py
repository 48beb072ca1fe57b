"""The identity of a run, from its settings."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from app.batch.checkpoint_revision import DIGEST_BYTES, checkpoint_revision, folder_revision
from app.batch.request_key import Identity
from app.config import Settings
from app.predictor import Predictor
from app.prompting import PromptLibrary

_NUMERIC_SETTINGS = ("dtype", "quantization")
"""Engine settings that change answers. Others, such as how much memory is used, may change between two runs."""

_ASKING = ("routing.py", "fitting.py", "predictor.py", "prompting.py")
"""What makes a request of a question, besides the tasks."""

_OF_QUESTIONS = frozenset({"prompts", "software", "task adapters"})
"""What answers to questions depend on only: a conversation goes to the model, and its answer out, as it is."""


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


def file_identity(settings: Settings) -> Identity:
    """As `settings_identity`, for answers that are kept as they were read: the code that reads them counts too.

    The number format is missing: "auto" is another one on another machine, so the engine says it.

    Raises:
        SetupError: as `settings_identity`.
    """
    known = {name: value for name, value in settings_identity(settings).items() if name != "dtype"}
    return known | {"software": _software()}


def cluster_identity(settings: Settings) -> Identity:
    """As `file_identity`, for answers whose key is made before their prompt is rendered.

    So it holds the context length too, that prompts are cut to.

    Raises:
        SetupError: as `settings_identity`.
    """
    context = settings.engine_settings.get("max_model_len") or "the checkpoint's"
    return {**file_identity(settings), "context": str(context)}


def served_identity(settings: Settings) -> Identity:
    """As `cluster_identity`, for a server, whose stored answers are found by the lines that asked for them.

    So it holds the adapter of each task type too, which is otherwise part of a request.

    Raises:
        SetupError: as `settings_identity`.
    """
    by_type = sorted((task_type.value, adapter) for task_type, adapter in settings.task_adapters.items())
    named = ", ".join(f"{task_type}: {adapter}" for task_type, adapter in by_type)
    dtype = settings.engine_settings.get("dtype") or "auto"
    return {**cluster_identity(settings), "dtype": str(dtype), "task adapters": named or "none"}


def loaded_identity(known: Identity, predictor: Predictor) -> Identity:
    """All of it, once the engine is there."""
    return {**known, "engine version": predictor.engine.version, "dtype": predictor.engine.dtype}


def conversation_identity(known: Identity) -> Identity:
    """What of `known` answers to ready conversations depend on."""
    return {name: value for name, value in known.items() if name not in _OF_QUESTIONS}


def _software() -> str:
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    package = Path(__file__).resolve().parents[1]
    for path in sorted([*(package / "tasks").glob("*.py"), *(package / name for name in _ASKING)]):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _adapters(folders: object) -> dict[str, str]:
    if not isinstance(folders, Mapping):
        return {"adapters": "none"}
    named = [f"{name}@{folder_revision(Path(str(folder)))}" for name, folder in sorted(folders.items())]
    return {"adapters": ", ".join(named) or "none"}
