"""The folder of a run: what the run is, its saved states, and whether it may go on."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from app.batch.checkpoint_revision import checkpoint_revision
from app.batch.request_key import Identity, differences
from app.errors import SetupError
from app.prompting import PromptLibrary
from app.training.finetune.rows import DataFile
from app.training.finetune.settings import FinetuneConfig

IDENTITY = "run.json"
SUMMARY = "training.json"
STATE = "trainer_state.json"
"""The file of a saved state that is written last: where it is whole, the state is."""
FREE = ("output", "run", "log_every", "keep", "device", "model", "train", "validation")
"""Settings that may change when a run goes on: places, and how often things are written. Of the model and the data,
the content is compared instead."""


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
        """Nothing is read or written yet."""
        self.path = path
        self.output = output

    @property
    def finished(self) -> bool:
        """Whether the run's output is there."""
        return (self.output / SUMMARY).is_file()

    def open(self, identity: Identity, *, overwrite: bool) -> Path | None:
        """Begin the run or go on with it: the last whole state, where there is one.

        Raises:
            SetupError: the folder holds another run, or the output something else.
        """
        if overwrite:
            self._clear()
        self._refuse_foreign_output()
        self.path.mkdir(parents=True, exist_ok=True)
        known = self._identity()
        if known is not None and (changed := differences(known, identity)):
            raise SetupError(
                f"{self.path} holds a run with other settings: {'; '.join(changed)}. Set them back, choose another "
                "output, or start afresh with --overwrite"
            )
        if known is None:
            _write_whole(self.path / IDENTITY, json.dumps(dict(identity), indent=2) + "\n")
        return self._last_state()

    def state_steps(self) -> list[int]:
        """The steps of the whole states, in order."""
        return sorted(step for path in self.path.glob("checkpoint-*") if (step := _step_of(path)) is not None)

    def _last_state(self) -> Path | None:
        for path in self.path.glob("checkpoint-*"):
            if _step_of(path) is None:
                shutil.rmtree(path, ignore_errors=True)
        steps = self.state_steps()
        return self.path / f"checkpoint-{steps[-1]}" if steps else None

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

    def _refuse_foreign_output(self) -> None:
        if self.output.exists() and not self.finished and any(self.output.iterdir()):
            raise SetupError(f"{self.output} holds something else than a training run; set 'output' to another folder")

    def _clear(self) -> None:
        self._refuse_foreign_output()
        if (self.path / IDENTITY).is_file():
            shutil.rmtree(self.path)
        if self.finished:
            shutil.rmtree(self.output)


def _digests(files: Sequence[DataFile]) -> str:
    return " ".join(asdict(file)["sha256"][:12] for file in files) or "none"


def _step_of(path: Path) -> int | None:
    """The step of a whole state; None for what was cut off while it was written."""
    try:
        state = json.loads((path / STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return int(state["global_step"])


def _write_whole(path: Path, text: str) -> None:
    part = path.with_name(f"{path.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
