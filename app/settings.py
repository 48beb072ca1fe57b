"""Settings: built-in defaults, then a YAML file, then the environment, then what the command line says."""

import os
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from app.errors import SetupError
from app.types import TaskType

_CHECKOUT = Path(__file__).resolve().parents[1]
INSTALLED = not (_CHECKOUT / "pyproject.toml").is_file()
"""Whether this runs from an installed wheel, which has no checkout around it."""
ROOT = _CHECKOUT / "app" / "shipped" if INSTALLED else _CHECKOUT
"""Where `prompts/`, `configs/` and `data/sample.jsonl` are, whatever the working directory (the competition's evaluator
chooses it): the checkout, or the copies that `setup.py` puts into the wheel."""
OUTPUT_ROOT = Path() if INSTALLED else ROOT
"""Where a relative path of what a server keeps starts: the checkout; installed, the working directory."""


def explain(error: ValidationError, known: Iterable[str]) -> str:
    """The first fault that pydantic found; `known` are the names that can be set."""
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return unknown(name, known)
    return f"setting {name!r}: {first['msg'].lower()} (given: {first['input']!r})"


def unknown(name: str, known: Iterable[str]) -> str:
    """A name that nothing is set by, with the likely one or else all there are."""
    names = sorted(known)
    close = get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known settings: {', '.join(names)}"
    return f"unknown setting {name!r}; {hint}"


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc] # ten times as fast, where built
    """Refuses a key that stands twice: the later value would silently win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        if twice := [key for key, times in keys.items() if times > 1]:
            raise yaml.constructor.ConstructorError(None, None, f"{twice[0]!r} stands twice", node.start_mark)
        values: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return values


def read_yaml(path: Path, what: str) -> object:
    """What the file holds; `what` names it in errors, such as "the mixture".

    A relative path that leads nowhere from here is tried from `ROOT`, so that `configs/...` is found from any folder.

    Raises:
        SetupError: the file cannot be read, is not YAML, or has a key twice.
    """
    try:
        return yaml.load(from_here_or_root(path).read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a safe one
    except OSError as error:
        raise SetupError(f"cannot read {what} {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SetupError(f"{what} {path} is not YAML: {' '.join(str(error).split())}") from error


ENVIRONMENT_PREFIX = "SHOPBENCH_"


class Settings(BaseSettings):
    """What a run needs to know. Every field can be set as `SHOPBENCH_<FIELD>`."""

    model_config = SettingsConfigDict(env_prefix=ENVIRONMENT_PREFIX, extra="forbid", frozen=True)

    engine: str = Field("vllm", description="Which engine runs the model: vllm or transformers.")
    model: str = Field(
        "" if INSTALLED else str(ROOT / "tests" / "fixtures" / "mini"),
        description="Folder (or hub name) of the checkpoint.",
    )
    prompts: Path = Field(ROOT / "prompts", description="Folder of the prompt templates.")
    seed: int = Field(0, ge=0, description="Seeds sampling; greedy decoding does not depend on it.")
    engine_settings: dict[str, Any] = Field(
        default_factory=dict, description="Passed to the engine, which refuses what it does not know."
    )
    task_adapters: dict[TaskType, str] = Field(
        default_factory=dict,
        description="The adapter that answers a task type, by its name in engine_settings.adapters; the base model "
        "answers the others.",
    )
    server_settings: dict[str, Any] = Field(
        default_factory=dict, description="Passed to the server, which refuses what it does not know."
    )


def load_settings(path: Path | None = None, overrides: Mapping[str, object] | None = None) -> Settings:
    """Settings from an optional YAML file, the environment and explicit overrides, later ones winning.

    Relative paths in the file are taken from here or, where that leads nowhere, from `ROOT`. Overrides that are None do
    not count.

    Raises:
        SetupError: an unreadable file, an unknown setting (by name) or a bad value.
    """
    values = _read_yaml(path) if path else {}
    given: dict[str, Any] = {key: value for key, value in (overrides or {}).items() if value is not None}
    where = f"{path}: " if path else ""
    try:
        settings = _with_file(values)(**given)
    except ValidationError as error:
        raise SetupError(where + explain(error, Settings.model_fields)) from error
    _refuse_unknown_adapters(where, settings)
    _refuse_unknown_environment()
    return _resolve(settings)


def _with_file(values: Mapping[str, Any]) -> type[Settings]:
    """Settings whose weakest source, above the defaults, is a file's values."""

    class WithFile(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            del dotenv_settings, file_secret_settings
            return init_settings, env_settings, InitSettingsSource(settings_cls, init_kwargs=dict(values))

    return WithFile


def _read_yaml(path: Path) -> dict[str, Any]:
    values = read_yaml(path, "the settings file")
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise SetupError(f"{path} must hold 'setting: value' lines, not a {type(values).__name__}")
    return values


def _resolve(settings: Settings) -> Settings:
    """Paths that exist below the root become absolute; a hub name stays as it is."""
    update: dict[str, object] = {}
    if not settings.prompts.is_absolute():
        update["prompts"] = from_here_or_root(settings.prompts)
    if settings.model and not Path(settings.model).is_absolute():
        found = from_here_or_root(Path(settings.model))
        if found.exists():
            update["model"] = str(found)
    return settings.model_copy(update=update)


def from_here_or_root(path: Path) -> Path:
    """The path from the working directory where it leads somewhere, and else from `ROOT`."""
    return path.resolve() if path.exists() else ROOT / path


def _refuse_unknown_adapters(where: str, settings: Settings) -> None:
    known = settings.engine_settings.get("adapters") or {}
    for task_type, adapter in settings.task_adapters.items():
        if adapter not in known:
            raise SetupError(
                f"{where}task_adapters: {task_type.value} names the adapter {adapter!r}, and engine_settings.adapters "
                f"has {', '.join(map(repr, known)) or 'none'}; add it there"
            )


# Other parts of the project read these themselves.
_OTHER_VARIABLES = frozenset({"SHOPBENCH_API_KEYS", "SHOPBENCH_CONFIG"})


def _refuse_unknown_environment() -> None:
    for variable in sorted(os.environ):
        if variable.startswith(ENVIRONMENT_PREFIX) and variable not in _OTHER_VARIABLES:
            name = variable.removeprefix(ENVIRONMENT_PREFIX).lower()
            if name not in Settings.model_fields:
                raise SetupError(f"environment variable {variable}: {unknown(name, Settings.model_fields)}")
