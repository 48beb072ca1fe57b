"""Settings: built-in defaults, then a YAML file, then the environment, then what the command line says."""

import json
import os
import re
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

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


DEFAULT_CHECKPOINT = ROOT / "weights" / "shopbench-135m"
"""What answers where no checkpoint is named. Set-up makes it (`app/checkpoints/default.py`); a wheel has none."""


class StrictSettings(BaseModel):
    """The base of all settings: unknown names are refused with the nearest known one, and nothing changes later."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    called: ClassVar[str] = "the settings file"
    """What these settings are called in errors."""

    elsewhere: ClassVar[Mapping[str, str]] = {}
    """Names that other tools have for these settings, with ours."""

    @classmethod
    def parse(cls, values: object, place: str = "") -> Self:
        """Settings from plain values. `place` is where they stand, for errors; by default what they are called.

        Raises:
            SetupError: an unknown name or a bad value, in one line with its path.
        """
        if not isinstance(values, Mapping):
            holds = "nothing" if values is None else f"a {type(values).__name__}"
            raise SetupError(f"{place or cls.called} must hold 'setting: value' lines, and holds {holds}")
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise SetupError(f"{place or cls.called}: {_explained(error, cls)}") from error

    @classmethod
    def read(cls, path: Path | None, changes: Sequence[str] = ()) -> Self:
        """Settings from a YAML file, if one is given, with `changes` of the form "setting.inner=value" put on top.

        Raises:
            SetupError: as `parse`, the file cannot be read, or a change has another form.
        """
        values = read_yaml(path, cls.called) if path else {}
        for change in changes:
            values = _changed(values, change)
        return cls.parse(values, " with ".join([*([str(path)] if path else []), *(["--set"] if changes else [])]))


def _explained(error: ValidationError, model: type[StrictSettings]) -> str:
    """The first fault that pydantic found. What the settings' own validators say stands as they say it."""
    first = error.errors()[0]
    path = [str(part) for part in first["loc"] if part != "[key]"]
    name = ".".join(path)
    if first["type"] == "extra_forbidden":
        if ours := model.elsewhere.get(path[-1]) or _place_of(path[-1], model):
            return f"unknown setting {name!r}; here it is {ours}"
        return _unknown(name, [".".join((*path[:-1], field)) for field in _names_at(model, path[:-1])])
    if first["type"] == "value_error":
        return f"{name}: {first['ctx']['error']}" if name else str(first["ctx"]["error"])
    if first["type"] in ("enum", "literal_error"):
        allowed = re.findall("'([^']*)'", first["ctx"]["expected"])
        return f"setting {name!r}: {_unknown(str(first['input']), allowed, 'value')}"
    problem = first["msg"][0].lower() + first["msg"][1:]  # the values that it names stay as they are
    return f"setting {name!r}: {problem} (given: {first['input']!r})"


def _unknown(name: str, known: Iterable[str], what: str = "setting") -> str:
    """A name that nothing is set by, with the likely one or else all there are."""
    names = sorted(known)
    close = get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known {what}s: {', '.join(names)}"
    return f"unknown {what} {name!r}; {hint}"


def _names_at(model: type[BaseModel], path: Iterable[str]) -> Iterable[str]:
    """The settings that can stand at a place of the file. Keys of mappings and places in lists lead no further."""
    for part in path:
        if part in model.model_fields:
            model = _section(model.model_fields[part].annotation) or model
    return model.model_fields


def _place_of(name: str, model: type[BaseModel]) -> str | None:
    """Where a setting of this very name stands in one section of the settings."""
    for outer, field in model.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel) and name in section.model_fields:
            return f"{outer}.{name}"
    return None


def _changed(values: object, change: str) -> object:
    """The values with one of them set; what its value means is as in YAML."""
    name, equals, text = change.partition("=")
    path = name.strip().split(".")
    if not equals or not all(path):
        raise SetupError(f"--set takes setting=value, such as optimizer.steps=100, not {change!r}")
    try:
        value = yaml.load(text, _Loader)  # noqa: S506 - a safe one
    except yaml.YAMLError as error:
        raise SetupError(f"--set {change}: the value is not YAML: {' '.join(str(error).split())}") from error
    return _put(values, path, value, change)


def _put(values: object, path: Sequence[str], value: object, change: str) -> object:
    if not path:
        return value
    if values is not None and not isinstance(values, Mapping):
        raise SetupError(
            f"--set {change}: there is a value where the section of {path[0]!r} would be; set that instead"
        )
    inner = dict(values or {})
    return inner | {path[0]: _put(inner.get(path[0]), path[1:], value, change)}


def _section(annotation: object) -> type[BaseModel] | None:
    """The model that an annotation is, or holds: `LoraSettings`, `dict[str, SourceSettings]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_section, get_args(annotation))), None)


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


class Form(StrictSettings):
    """In which form a type's questions go to the model, see `app/forms.py`."""

    ask: Literal["labels", "texts"] = Field(
        default="labels",
        description="What the model answers with: labels, as listed, or the texts of the options, which are compared.",
    )
    prior: float = Field(
        default=0.0, ge=0, le=1, description="Share of a label's or text's log-probability without content to subtract."
    )
    orders: int = Field(
        default=1, ge=1, le=10, description="Orders of the options over which labels' probabilities are averaged."
    )


class Settings(StrictSettings):
    """What a run needs to know. Every field can be set as `SHOPBENCH_<FIELD>`."""

    engine: str = Field(default="vllm", description="Which engine runs the model: vllm or transformers.")
    model: str = Field(
        default="" if INSTALLED else str(DEFAULT_CHECKPOINT),
        description="Folder (or hub name) of the checkpoint.",
    )
    prompts: Path = Field(default=ROOT / "prompts", description="Folder of the prompt templates.")
    seed: int = Field(default=0, ge=0, description="Seeds sampling; greedy decoding does not depend on it.")
    engine_settings: dict[str, Any] = Field(
        default_factory=dict, description="Passed to the engine, which refuses what it does not know."
    )
    task_adapters: dict[TaskType, str] = Field(
        default_factory=dict,
        description="The adapter that answers a task type, by its name in engine_settings.adapters; the base model "
        "answers the others.",
    )
    forms: dict[TaskType, Form] = Field(
        default_factory=dict,
        description="The form in which a task type is asked; by default the one that the checkpoint was trained in.",
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
    values = (read_yaml(path, Settings.called) if path else None) or {}
    if isinstance(values, dict):
        values = values | _from_environment()
        values |= {name: value for name, value in (overrides or {}).items() if value is not None}
    settings = Settings.parse(values, str(path or ""))
    _refuse_unknown_adapters(f"{path}: " if path else "", settings)
    return _resolve(settings)


# Other parts of the project read these themselves.
_OTHER_VARIABLES = frozenset({"SHOPBENCH_API_KEYS", "SHOPBENCH_CONFIG"})


def _from_environment() -> dict[str, object]:
    """The settings that variables name, mappings as JSON."""
    values: dict[str, object] = {}
    for variable, text in sorted(os.environ.items()):
        if not variable.startswith(ENVIRONMENT_PREFIX) or variable in _OTHER_VARIABLES:
            continue
        name = variable.removeprefix(ENVIRONMENT_PREFIX).lower()
        if name not in Settings.model_fields:
            raise SetupError(f"environment variable {variable}: {_unknown(name, Settings.model_fields)}")
        try:
            values[name] = json.loads(text) if text.lstrip().startswith("{") else text
        except ValueError as error:
            raise SetupError(f"environment variable {variable} is not JSON: {error}") from error
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
