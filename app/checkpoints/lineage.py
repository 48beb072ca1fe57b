"""`lineage.json`: how a checkpoint came to be, one step for each command that made or changed it."""

import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from app.errors import InputError
from app.files import git_revision, write_whole
from app.jobs.identity import checkpoint_revision, folder_revision
from app.settings import ROOT

LINEAGE = "lineage.json"
SCHEMA_VERSION = 1
LIBRARIES = ("torch", "transformers", "peft", "safetensors", "compressed-tensors", "gptqmodel")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LineageInput(_Part):
    """What a step started from."""

    role: str
    """What it was to the step: base, adapter, tuned, first ..."""
    name: str
    """Its folder's own name, or its name on the hub."""
    revision: str
    """Fingerprint of its content, as `app/jobs/identity.py` makes it."""


class LineageStep(_Part):
    """One command."""

    step: str
    inputs: list[LineageInput]
    settings: dict[str, JsonValue] = Field(default_factory=dict)
    checks: dict[str, JsonValue] = Field(default_factory=dict)
    """What was measured on the result."""
    seconds: float
    """Wall-clock."""
    machine: str
    versions: dict[str, str]
    git_revision: str | None
    finished: datetime


class Lineage(_Part):
    """All steps, first to last. Those of further inputs stand in their own folders."""

    schema_version: int = SCHEMA_VERSION
    steps: list[LineageStep] = Field(default_factory=list)


def lineage_input(role: str, model: str | Path) -> LineageInput:
    """One input, with the fingerprint of its content.

    Raises:
        SetupError: there is no such checkpoint.
    """
    path = Path(model)
    revision = folder_revision(path) if path.is_dir() else checkpoint_revision(str(model))
    return LineageInput(role=role, name=path.resolve().name if path.is_dir() else str(model), revision=revision)


def lineage_step(
    step: str,
    inputs: list[LineageInput],
    settings: Mapping[str, JsonValue],
    checks: Mapping[str, JsonValue],
    seconds: float,
) -> LineageStep:
    """A step that has just ended on this machine."""
    return LineageStep(
        step=step,
        inputs=inputs,
        settings=dict(settings),
        checks=dict(checks),
        seconds=round(seconds, 1),
        machine=machine(),
        versions=_versions(),
        git_revision=git_revision(ROOT),
        finished=datetime.now(UTC),
    )


def machine() -> str:
    """Processor or GPUs, in words."""
    gpus = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    if gpus:
        return f"{len(gpus)} x {gpus[0]}"
    return f"{platform.machine()}, {torch.get_num_threads()} threads"


def read_lineage(folder: Path) -> Lineage:
    """A folder's lineage; an empty one where it has none.

    Raises:
        InputError: the file is damaged or of another version.
    """
    path = folder / LINEAGE
    if not path.is_file():
        return Lineage()
    try:
        return Lineage.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise InputError(f"{path} is not of this version: remove it to begin a new lineage") from error


def write_lineage(folder: Path, earlier: Lineage, step: LineageStep) -> None:
    """Write the earlier steps with one more."""
    lineage = earlier.model_copy(update={"steps": [*earlier.steps, step]})
    (folder / LINEAGE).write_text(lineage.model_dump_json(indent=2) + "\n", encoding="utf-8")


def add_checks(folder: Path, checks: Mapping[str, JsonValue]) -> None:
    """Add what was measured later to a folder's last step.

    Raises:
        InputError: the folder has no lineage, or it is damaged.
        SetupError: the folder cannot be written.
    """
    lineage = read_lineage(folder)
    if not lineage.steps:
        raise InputError(f"{folder} has no {LINEAGE}: 'shopbench checkpoint' writes one with each step")
    last = lineage.steps[-1]
    steps = [*lineage.steps[:-1], last.model_copy(update={"checks": last.checks | dict(checks)})]
    write_whole(folder / LINEAGE, lineage.model_copy(update={"steps": steps}).model_dump_json(indent=2) + "\n")


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
