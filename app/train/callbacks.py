"""What a run does beside its steps: a log that survives, a stop that is asked for, and words to whoever watches."""

import json
import math
import time
from pathlib import Path
from typing import Any, Protocol

import torch
from accelerate import PartialState
from accelerate.utils import reduce
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from app.files import dump, write_lines
from app.process import Interruption

METRICS = "metrics.jsonl"


class Watcher(Protocol):
    """Whoever shows how a run goes."""

    def began(self, steps: int, done: int) -> None:
        """The first step comes next; `done` steps were made by an earlier start."""
        ...

    def stepped(self, step: int) -> None:
        """One more step is done."""
        ...

    def logged(self, values: dict[str, float]) -> None:
        """Losses and rates, by the names of `metrics.jsonl`."""
        ...

    def said(self, line: str) -> None:
        """Something worth a line."""
        ...

    def ended(self) -> None:
        """No step comes any more."""
        ...


class MetricsLog(TrainerCallback):  # type: ignore[misc]  # transformers is not typed
    """One JSON object a line, by step; lines of steps that are made again are taken back first."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / METRICS
        self._before = 0.0
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Time in training, earlier starts included."""
        return self._before + time.monotonic() - self._started

    def lines(self) -> list[dict[str, Any]]:
        """What was logged so far, but for a last line that was cut off."""
        text = self._path.read_text(encoding="utf-8") if self._path.is_file() else ""
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def on_train_begin(self, _: TrainingArguments, state: TrainerState, __: TrainerControl, **___: object) -> None:
        """Take back what an earlier start logged after the state that is resumed."""
        if state.is_world_process_zero:
            kept = [line for line in self.lines() if line["step"] <= state.global_step]
            self._before = max((line["seconds"] for line in kept), default=0.0)
            self._started = time.monotonic()
            write_lines(self._path, kept)

    def on_log(
        self,
        _: TrainingArguments,
        state: TrainerState,
        __: TrainerControl,
        logs: dict[str, float] | None = None,
        **___: object,
    ) -> None:
        """Write one line."""
        if state.is_world_process_zero and logs:
            line = {"step": state.global_step, "seconds": round(self.seconds, 3), **logs}
            with self._path.open("a", encoding="utf-8") as file:
                file.write(dump(line) + "\n")


class StopEarly(TrainerCallback):  # type: ignore[misc]  # transformers is not typed
    """After a signal to any of the processes, or out of time, all of them save and stop at the same step."""

    def __init__(self, interruption: Interruption, time_budget: float | None = None) -> None:
        """`interruption` must be entered by the caller; `time_budget` is in seconds from now on."""
        self._interruption = interruption
        self._deadline = math.inf if time_budget is None else time.monotonic() + time_budget
        self._step_began = time.monotonic()
        self.stopped = False

    def on_step_begin(self, *_: object, **__: object) -> None:
        """Remember when."""
        self._step_began = time.monotonic()

    def on_step_end(
        self, _: TrainingArguments, state: TrainerState, control: TrainerControl, **__: object
    ) -> TrainerControl:
        """Look whether somebody asked, and whether there is time for one more step as long as this one."""
        now = time.monotonic()
        asked = self._interruption.requested or 2 * now - self._step_began > self._deadline
        if PartialState().num_processes > 1:
            asked = bool(reduce(torch.tensor(float(asked), device=PartialState().device), "sum"))
        if asked and state.global_step < state.max_steps:
            self.stopped = control.should_save = control.should_training_stop = True
        return control


class Stopwatch(TrainerCallback):  # type: ignore[misc]  # transformers is not typed
    """Seconds in steps: evaluations and saved states are left out."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._began = 0.0

    def on_step_begin(self, *_: object, **__: object) -> None:
        """Start."""
        self._began = time.monotonic()

    def on_step_end(self, *_: object, **__: object) -> None:
        """Stop."""
        self.seconds += time.monotonic() - self._began


class Narrator(TrainerCallback):  # type: ignore[misc]  # transformers is not typed
    """Tells a watcher, from the first process only."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher

    def on_train_begin(self, _: TrainingArguments, state: TrainerState, __: TrainerControl, **___: object) -> None:
        """Say how far the run is."""
        if state.is_world_process_zero:
            self._watcher.began(state.max_steps, state.global_step)

    def on_step_end(self, _: TrainingArguments, state: TrainerState, __: TrainerControl, **___: object) -> None:
        """Count a step."""
        if state.is_world_process_zero:
            self._watcher.stepped(state.global_step)

    def on_log(
        self,
        _: TrainingArguments,
        state: TrainerState,
        __: TrainerControl,
        logs: dict[str, float] | None = None,
        **___: object,
    ) -> None:
        """Pass the losses on."""
        if state.is_world_process_zero and logs:
            self._watcher.logged(logs)
