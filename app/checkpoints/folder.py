"""A checkpoint's folder: what stands beside the weights, how it came to be, and how a new one is made."""

import platform
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from pydantic import Field, JsonValue
from safetensors import SafetensorError

from app.checkpoints.tensors import SHARD_BYTES, TensorPlan, write_tensors
from app.engines.checkpoint_files import read_object
from app.errors import InputError
from app.evaluation.schema import Record
from app.files import FolderKind, dump, git_revision, refuse_to_replace, unwritten, whole_folder, write_whole
from app.forms import OWN_FORMS
from app.jobs.identity import folder_revision
from app.settings import ROOT

CONFIG = "config.json"
GENERATION = "generation_config.json"
TRAINING = "training.json"
LINEAGE = "lineage.json"
CHECKPOINT = FolderKind("checkpoint", CONFIG)
TOKENIZER = (
    "tokenizer*",
    "vocab*",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template*",
    "additional_chat_templates/*",
    "*.model",
)


def read_config(folder: Path) -> dict[str, Any]:
    """A checkpoint's `config.json`.

    Raises:
        InputError: it is missing.
        SetupError: it cannot be read, or is no JSON object.
    """
    if not (folder / CONFIG).is_file():
        raise InputError(f"{folder} is no checkpoint: it has no {CONFIG}")
    return read_object(folder / CONFIG)


def refuse_quantized(folder: Path) -> None:
    """Refuse weights that are no plain numbers, with an `InputError`."""
    if "quantization_config" in read_config(folder):
        raise InputError(f"{folder} is quantized: start from the checkpoint that it was made of")


def dtype_fields(config: Mapping[str, Any], dtype: str) -> dict[str, object]:
    """The fields of `config.json` that name the number format, under the names that the file has them by."""
    names = [name for name in ("dtype", "torch_dtype") if name in config] or ["dtype"]
    return dict.fromkeys(names, dtype)


class LineageInput(Record):
    """What a step started from."""

    role: str
    """What it was to the step: base, adapter, tuned, first ..."""
    name: str
    """Its folder's own name, or its name on the hub."""
    revision: str
    """Fingerprint of its content, as `app/jobs/identity.py` makes it."""


class LineageStep(Record):
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


class Lineage(Record):
    """`lineage.json`: all steps, first to last. Those of further inputs stand in their own folders."""

    schema_version: int = 1
    steps: list[LineageStep] = Field(default_factory=list)


def read_lineage(folder: Path) -> Lineage:
    """A folder's lineage; an empty one where it has none.

    Raises:
        InputError: the file is damaged or of another version.
    """
    path = folder / LINEAGE
    if not path.is_file():
        return Lineage()
    return Lineage.from_file(path, f"{folder} has no lineage", "remove it to begin a new lineage")


def add_checks(folder: Path, checks: Mapping[str, JsonValue]) -> None:
    """Add what was measured later to a folder's last step.

    Raises:
        InputError: the folder has no lineage, or it is damaged.
        SetupError: the folder cannot be written.
    """
    steps = read_lineage(folder).steps
    if not steps:
        raise InputError(f"{folder} has no {LINEAGE}: 'shopbench checkpoint' writes one with each step")
    last = steps[-1].model_copy(update={"checks": steps[-1].checks | dict(checks)})
    _write_lineage(folder, [*steps[:-1], last])


def _write_lineage(folder: Path, steps: list[LineageStep]) -> None:
    write_whole(folder / LINEAGE, Lineage(steps=steps).model_dump_json(indent=2) + "\n")


@dataclass(frozen=True, slots=True)
class Output:
    """Where a new checkpoint goes, and how."""

    folder: Path
    overwrite: bool = False
    """Replace a checkpoint that is there."""
    shard_bytes: int = SHARD_BYTES
    """Largest weight file, unless a single tensor is larger."""
    advance: Callable[[int], None] = lambda _: None
    """Told the bytes of each tensor written."""

    def refuse_to_replace(self) -> None:
        """Say early what `new_checkpoint` would refuse, before hours of work. Errors as there."""
        refuse_to_replace(self.folder, CHECKPOINT, overwrite=self.overwrite)


@dataclass(slots=True)
class NewCheckpoint:
    """A checkpoint that is being made."""

    folder: Path
    output: Output
    origin: Path
    """The checkpoint whose companions and lineage it carries on."""
    settings: dict[str, JsonValue]
    checks: dict[str, JsonValue] = field(default_factory=dict)
    """What is measured on the result."""

    def write(self, plans: Iterable[TensorPlan], compute: Callable[[str], torch.Tensor]) -> None:
        """Write what `compute` gives for each planned name; see `app.checkpoints.tensors.write_tensors`."""
        write_tensors(self.folder, plans, compute, shard_bytes=self.output.shard_bytes, advance=self.output.advance)

    def carry_over(self, changes: Mapping[str, object], adapter: Path | None = None) -> None:
        """Copy configuration, decoding settings, tokenizer, chat template, forms and the record of the training.

        Args:
            changes: fields of `config.json` that are other ones.
            adapter: where its tokenizer, template and record are newer, those count: what a model was trained with
                is what it must be served with.
        """
        config = {**read_config(self.origin), **changes}
        write_json(self.folder / CONFIG, config)
        if (self.origin / GENERATION).is_file():
            shutil.copyfile(self.origin / GENERATION, self.folder / GENERATION)
        else:
            ends = {name: config[name] for name in ("eos_token_id", "pad_token_id") if config.get(name) is not None}
            write_json(self.folder / GENERATION, {"do_sample": False, **ends})
        for source in filter(None, (self.origin, adapter)):
            for path in (path for pattern in (*TOKENIZER, TRAINING, OWN_FORMS) for path in source.glob(pattern)):
                if path.is_file():
                    place = self.folder / path.relative_to(source)
                    place.parent.mkdir(exist_ok=True)
                    shutil.copyfile(path, place)


def write_json(path: Path, values: Mapping[str, object]) -> None:
    """An object, as the checkpoint's other files are written."""
    path.write_text(dump(values, indent=2) + "\n", encoding="utf-8")


@contextmanager
def new_checkpoint(
    output: Output, step: str, inputs: Mapping[str, Path], origin: Path, settings: Mapping[str, JsonValue]
) -> Iterator[NewCheckpoint]:
    """A new checkpoint to fill: with its lineage it takes its place when the block ends well, and goes otherwise.

    Args:
        output: where it goes.
        step: what its lineage calls the command.
        inputs: the checkpoints and adapters that it is made of, by their roles.
        origin: the one whose companions and lineage it carries on; a file has neither.
        settings: what the result depends on.

    Raises:
        InputError: the origin's lineage is damaged.
        SetupError: the folder is there and must not be replaced, is no checkpoint, or the disk takes no more.
    """
    started = time.monotonic()
    earlier = read_lineage(origin).steps
    try:
        with whole_folder(output.folder, CHECKPOINT, overwrite=output.overwrite) as folder:
            made = NewCheckpoint(folder, output, origin, dict(settings))
            yield made
            done = LineageStep(
                step=step,
                inputs=[
                    LineageInput(role=role, name=path.resolve().name, revision=folder_revision(path))
                    for role, path in inputs.items()
                ],
                settings=made.settings,
                checks=made.checks,
                seconds=round(time.monotonic() - started, 1),
                machine=_machine(),
                versions=_versions(),
                git_revision=git_revision(ROOT),
                finished=datetime.now(UTC),
            )
            _write_lineage(folder, [*earlier, done])
    except SafetensorError as error:
        # The library wraps what the system says about a full disk.
        raise unwritten(output.folder, OSError(str(error))) from error


def _machine() -> str:
    """Processor or GPUs, in words."""
    if count := torch.cuda.device_count():
        return f"{count} x {torch.cuda.get_device_name(0)}"
    return f"{platform.machine()}, {torch.get_num_threads()} threads"


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in ("torch", "transformers", "peft", "safetensors", "compressed-tensors", "gguf", "gptqmodel"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
