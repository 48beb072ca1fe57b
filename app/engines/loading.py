"""The engines by name. Only the chosen one is imported."""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

from app.engines.adapter_files import check_adapter
from app.engines.base import AsyncEngine, Engine
from app.engines.checkpoint_files import check_checkpoint
from app.engines.options import EngineSettings, TransformersSettings, VllmSettings
from app.engines.vllm.values import prepare_environment, prepare_serving_environment
from app.errors import SetupError


@dataclass(frozen=True, slots=True)
class EngineEntry:
    """Where an engine lives, what can be set on it, and what must be installed for it."""

    target: str
    """`module:Class`; the class takes the checkpoint and the settings."""
    settings: type[EngineSettings]
    prepare: Callable[[], None] | None = None
    """What must happen before the first of its libraries is imported."""


ENGINES: Mapping[str, EngineEntry] = {
    "vllm": EngineEntry("app.engines.vllm.engines:VllmEngine", VllmSettings, prepare_environment),
    "transformers": EngineEntry("app.engines.transformers:TransformersEngine", TransformersSettings),
}
ASYNC_ENGINES: Mapping[str, EngineEntry] = {
    "vllm": EngineEntry("app.engines.vllm.engines:AsyncVllmEngine", VllmSettings, prepare_serving_environment),
}
"""The engines that can serve many callers at once."""
LIBRARIES = ("vllm", "torch", "transformers", "peft")
"""Those without which one or the other engine does not run."""


def create_engine(name: str, model: str | Path, settings: Mapping[str, object]) -> Engine:
    """Load a model into an engine for offline work.

    Everything that can be checked cheaply is checked before a heavy library is imported.

    Raises:
        SetupError: unknown engine, unknown setting, missing checkpoint or adapter, missing library.
    """
    return cast("Engine", _create(ENGINES, name, model, settings))


def create_async_engine(name: str, model: str | Path, settings: Mapping[str, object]) -> AsyncEngine:
    """Load a model into an engine for a server; raises what `create_engine` does."""
    if name in ENGINES and name not in ASYNC_ENGINES:
        raise SetupError(f"engine {name} works offline only; serve with: {', '.join(sorted(ASYNC_ENGINES))}")
    return cast("AsyncEngine", _create(ASYNC_ENGINES, name, model, settings))


def check_engine(name: str, model: str | Path, settings: Mapping[str, object]) -> EngineSettings:
    """What `create_engine` checks without loading anything; the settings."""
    return _checked(ENGINES, name, model, settings)[1]


def _create(engines: Mapping[str, EngineEntry], name: str, model: str | Path, settings: Mapping[str, object]) -> Any:  # noqa: ANN401  # the class is only named here
    entry, values = _checked(engines, name, model, settings)
    if entry.prepare is not None:
        entry.prepare()
    module, _, attribute = entry.target.partition(":")
    try:
        engine = getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] not in LIBRARIES:
            raise
        raise SetupError(
            f"engine {name} needs {error.name}, which is not installed: "
            "pip install 'shopbench[cpu]' (or 'shopbench[cuda]' on a machine with an NVIDIA GPU)"
        ) from error
    return engine(str(model), values)


def _checked(
    engines: Mapping[str, EngineEntry], name: str, model: str | Path, settings: Mapping[str, object]
) -> tuple[EngineEntry, EngineSettings]:
    entry = engines.get(name)
    if entry is None:
        close = get_close_matches(name, engines, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise SetupError(f"unknown engine {name!r}; there are: {', '.join(sorted(engines))}{hint}")
    values = entry.settings.parse(settings)
    check_checkpoint(str(model))
    for adapter, path in values.adapters.items():
        check_adapter(adapter, path, str(model))
    return entry, values
