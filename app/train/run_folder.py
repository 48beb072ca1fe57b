"""The folder of a run: what the run is, its saved states, and whether it may go on."""

import json
import platform
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import yaml
from accelerate import PartialState

from app.errors import SetupError
from app.files import FolderKind, git_revision, refuse_to_replace, write_whole
from app.jobs.identity import Identity, checkpoint_revision, differences
from app.prompting import PromptLibrary
from app.settings import ROOT
from app.train.examples import DataFile
from app.train.recipe import FinetuneConfig
from app.train.trainer import EVALUATION_LOSS, LOSS
from app.types import TaskType

IDENTITY = "run.json"
SUMMARY = "training.json"
OUTPUT = FolderKind("training run", SUMMARY)
STATE = "trainer_state.json"
"""The file of a saved state that is written last: where it is whole, the state is."""
FREE = (
    "output", "run", "log_every", "keep", "device", "threads", "time_budget", "report_to", "model", "train",
    "validation",
)  # fmt: skip
"""Settings that may change when a run goes on: places, and how often and where things are written. Of the model and the
data, the content is compared instead."""


def run_identity(config: FinetuneConfig, train: Sequence[DataFile], validation: Sequence[DataFile]) -> Identity:
    """What all steps of a run depend on, by the names that people know.

    Raises:
        SetupError: there is no such model.
    """
    settings = config.model_dump(mode="json", exclude=set(FREE))
    flat: dict[str, str] = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            flat |= {f"{name}.{inner}": json.dumps(given) for inner, given in value.items()}
        else:
            flat[name] = json.dumps(value)
    return flat | {
        "model": config.model,
        "model revision": checkpoint_revision(config.model),
        "prompts": PromptLibrary(config.prompts).fingerprint,
        "train": _digests(train),
        "validation": _digests(validation),
    }


class RunFolder:
    """Saved states are whole or they do not count."""

    def __init__(self, path: Path, output: Path) -> None:
        self.path, self.output = path, output

    @property
    def finished(self) -> bool:
        """Whether the run's output is there."""
        return (self.output / SUMMARY).is_file()

    def open(self, identity: Identity, *, overwrite: bool) -> Path | None:
        """Begin the run or go on with it: the last whole state, where there is one.

        Raises:
            SetupError: the folder holds another run, or the output something else.
        """
        refuse_to_replace(self.output, OUTPUT, overwrite=True)
        if overwrite and (self.path / IDENTITY).is_file():
            shutil.rmtree(self.path)
        if overwrite and self.finished:
            shutil.rmtree(self.output)
        self.path.mkdir(parents=True, exist_ok=True)
        known = self._identity()
        if known is not None and (changed := differences(known, identity)):
            raise SetupError(
                f"{self.path} holds a run with other settings: {'; '.join(changed)}. Set them back, choose another "
                "output, or start afresh with --overwrite"
            )
        if known is None:
            write_whole(self.path / IDENTITY, json.dumps(dict(identity), indent=2) + "\n")
        states: dict[int, Path] = {}
        for path in self.path.glob("checkpoint-*"):
            if (step := _step_of(path)) is None:
                shutil.rmtree(path, ignore_errors=True)
            else:
                states[step] = path
        return states[max(states)] if states else None

    def known(self, name: str) -> str | None:
        """What the identity of the run that is there says under this name.

        Raises:
            SetupError: the folder holds something else, or its identity is damaged.
        """
        return (self._identity() or {}).get(name) if self.path.is_dir() else None

    def _identity(self) -> Identity | None:
        path = self.path / IDENTITY
        if not path.is_file():
            if any(self.path.iterdir()):
                raise SetupError(f"{self.path} is not empty and holds no run; set 'run' to another folder")
            return None
        try:
            values: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise SetupError(f"{path} is damaged: start afresh with --overwrite") from error
        return values


def _digests(files: Sequence[DataFile]) -> str:
    return " ".join(file.sha256[:12] for file in files) or "none"


def _step_of(path: Path) -> int | None:
    """The step of a whole state; None for what was cut off while it was written."""
    try:
        state = json.loads((path / STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return int(state["global_step"])


SERVING = "serve.yaml"


def write_serving(config: FinetuneConfig) -> Path:
    """Write the settings by which a finished adapter is served, in the run's folder; return their path.

    Every task type is answered by it, in the form that it has learnt, which stands beside its weights.
    """
    base, name = Path(config.model), config.output.name
    values: dict[str, object] = {
        "model": str(base.resolve()) if base.is_dir() else config.model,
        "engine_settings": {"adapters": {name: str(config.output.resolve())}},
        "task_adapters": {kind.value: name for kind in TaskType},
        "prompts": str(config.prompts.resolve()),
    }
    path = config.run_folder / SERVING
    head = f"# shopbench serve --config {path}    (predict and evaluate take it too)\n"
    write_whole(path, head + yaml.safe_dump(values, sort_keys=False, allow_unicode=True))
    return path


LIBRARIES = ("accelerate", "datasets", "peft", "torch", "transformers", "trl")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run came, and how long it took."""

    steps: int
    epochs: float
    seconds: float
    best_step: int | None
    trained_tokens: int
    """Prompts' and answers', padding apart, of all steps: what the run saw, as often as it saw it."""
    epoch_tokens: int
    """Of every row once."""
    tokens_per_second: int | None
    """As `trained_tokens`, in steps alone: the median over what was logged."""
    parameters: int
    trained_parameters: int


def training_summary(
    config: FinetuneConfig,
    identity: Identity,
    files: tuple[Sequence[DataFile], Sequence[DataFile]],
    counts: Mapping[str, Mapping[str, int]],
    progress: Progress,
    log: Sequence[Mapping[str, Any]],
) -> dict[str, object]:
    """Everything that a card tells: settings, data, losses, machine and versions."""
    train, validation = files
    return {
        "settings": config.model_dump(mode="json"),
        "model": config.model,
        "model_revision": identity["model revision"],
        "prompts": identity["prompts"],
        "data": {
            "train": [asdict(file) for file in train],
            "validation": [asdict(file) for file in validation],
            "counts": {name: dict(sorted(values.items())) for name, values in counts.items()},
        },
        "progress": asdict(progress),
        "losses": _losses(log, progress.best_step),
        "machine": _machine(),
        "versions": {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES},
        "revision": git_revision(ROOT),
    }


def told_at_the_end(summary: Mapping[str, Any]) -> Iterator[str]:
    """What whoever waited wants to know of a summary: first and last losses, and the speed."""
    kinds = (
        ("training", LOSS, "first", "last"),
        ("validation", EVALUATION_LOSS, "first_evaluation", "best_evaluation"),
    )
    for name, loss, first, last in kinds:
        if summary["losses"][last] is not None:
            before, after = summary["losses"][first][loss], summary["losses"][last][loss]
            yield f"{name}: {before:.4f} nats a token at first, {after:.4f} at {last.removesuffix('_evaluation')}"
    progress = summary["progress"]
    if progress["tokens_per_second"] is not None:
        yield (
            f"{progress['tokens_per_second']:,} tokens/s without padding, {progress['trained_tokens']:,} tokens, "
            f"{progress['seconds'] / 60:.1f} min in all"
        )


def _losses(log: Sequence[Mapping[str, Any]], best_step: int | None) -> dict[str, object]:
    """Mean negative log-likelihood of an answer token, nats; by capability, where rows of it were seen."""
    training = [line for line in log if LOSS in line]
    evaluations = [line for line in log if EVALUATION_LOSS in line]
    best = next((line for line in reversed(evaluations) if line["step"] == best_step), None)
    return {
        "first": _of(training[0], LOSS) if training else None,
        "last": _of(training[-1], LOSS) if training else None,
        "first_evaluation": _of(evaluations[0], EVALUATION_LOSS) if evaluations else None,
        "best_evaluation": _of(best, EVALUATION_LOSS) if best else None,
    }


def _of(line: Mapping[str, Any], name: str) -> dict[str, float]:
    return {"step": line["step"]} | {key: round(value, 5) for key, value in line.items() if key.startswith(name)}


def _machine() -> dict[str, object]:
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "gpus": [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())],
        "threads": torch.get_num_threads(),
        "processes": PartialState().num_processes,
    }
