"""W4A16: 4-bit weights in groups, rounded by GPTQ (Frantar et al., 2022) as the library gptqmodel does it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from pydantic import JsonValue

from app.checkpoints import gptq_process
from app.checkpoints.folder import NewCheckpoint, read_config
from app.checkpoints.tensors import CheckpointTensors, TensorPlan
from app.errors import InputError, SetupError

BITS = 4
GROUPS = (32, 64, 128)
"""Group sizes for which vLLM has kernels on GPUs; its CPU kernel takes them too."""
SHORTEST = 11
"""Tokens of a prompt: the library leaves out what is shorter."""


@dataclass(frozen=True, slots=True)
class Gptq:
    """4-bit weights, activations in 16 bits."""

    group_size: int = 128
    """Inputs that share a scale."""
    seed: int = 0
    python: Path = Path(sys.executable)
    """The interpreter of an environment that holds gptqmodel."""

    @property
    def settings(self) -> dict[str, JsonValue]:
        """What the result depends on, the scheme's name among it."""
        return {"scheme": "w4a16", "group_size": self.group_size, "seed": self.seed}

    def check(self, source: Path) -> None:
        """Refuse layers whose inputs do not make whole groups.

        Raises:
            InputError: a group size without kernels, or one that does not divide a layer; the message names the fix.
        """
        size = self.group_size
        if size not in GROUPS:
            raise InputError(f"group size must be one of {', '.join(map(str, GROUPS))} (given: {size})")
        config = read_config(source)
        hidden, width = int(config["hidden_size"]), int(config["intermediate_size"])
        if hidden % size:
            fitting = [str(size) for size in GROUPS if hidden % size == 0]
            fix = f"use a group size of {' or '.join(fitting)}" if fitting else "quantize to W8A8 instead"
            raise InputError(f"hidden_size {hidden} is no multiple of the group size {size}: {fix}")
        if width % size:
            raise InputError(
                f"intermediate_size {width} is no multiple of the group size {size}: "
                f"'shopbench checkpoint pad --group-size {size}' first"
            )

    def write(self, made: NewCheckpoint, prompts: Sequence[Sequence[int]]) -> dict[str, Any]:
        """Write the origin's quantized weights, calibrated on token ids; the `quantization_config` for `config.json`.

        Raises:
            InputError: no prompt is of use.
            SetupError: the library is missing or fails.
        """
        calibration = [list(ids) for ids in prompts if len(ids) >= SHORTEST]
        if not calibration:
            raise InputError(f"no prompt has {SHORTEST} tokens or more: calibrate on other rows")
        work = made.folder / "gptq"
        work.mkdir()
        raw, job = work / "model", work / "job.json"
        values = {"bits": BITS, "group_size": self.group_size, "seed": self.seed, "prompts": calibration}
        job.write_text(json.dumps(values), encoding="utf-8")
        _run(made.origin, raw, job, self.python)
        source, quantized = CheckpointTensors(made.origin), CheckpointTensors(raw)
        made.write([_kept(plan, source) for plan in quantized.plans.values()], quantized.read)
        config: dict[str, Any] = read_config(raw)["quantization_config"]
        shutil.rmtree(work)
        return config


def _kept(plan: TensorPlan, source: CheckpointTensors) -> TensorPlan:
    """What was not quantized is stored as the source has it: the library saves it in the format that it computed in."""
    original = source.plans.get(plan.name)
    if original is not None:
        return replace(plan, dtype=original.dtype)
    return replace(plan, dtype=torch.float16) if plan.dtype is torch.float32 else plan


def _run(source: Path, raw: Path, job: Path, python: Path) -> None:
    """Run the library in a process of its own, in the folder for its results: it also writes logs where it runs."""
    environment = os.environ | {
        # Its own default, half the cores and at most 12, is 1 on two cores, where it fails (gptqmodel 7.6).
        "GPTQMODEL_CPU_WORKERS": str(max(2, min(12, (os.cpu_count() or 1) // 2))),
        "TOKENIZERS_PARALLELISM": "false",
    }
    command = [str(python.absolute()), gptq_process.__file__, *(str(path.resolve()) for path in (source, raw, job))]
    complaints = job.with_name("stderr.txt")
    # Hours on a large model: its progress is shown to people, and kept out of what programs read.
    shown = sys.stderr if sys.stderr.isatty() else subprocess.DEVNULL
    try:
        with complaints.open("wb") as stderr:
            code = subprocess.run(  # noqa: S603  # the arguments are paths, and no shell reads them
                command, cwd=job.parent, env=environment, stdout=shown, stderr=stderr, check=False
            ).returncode
    except OSError as error:
        raise SetupError(f"cannot run {python}: {error.strerror}; name a Python with --python") from error
    if code != 0:
        raise SetupError(_reason(complaints.read_text(encoding="utf-8", errors="replace"), code, python))


def _reason(complaints: str, code: int, python: Path) -> str:
    lines = [line for line in complaints.splitlines() if line.strip()]
    last = lines[-1].strip() if lines else f"it ended with {code}"
    if "No module named 'gptqmodel'" in last:
        return (
            f"W4A16 needs gptqmodel, which {python} does not have: make an environment for it "
            "(python3 -m venv .venv-quantize; .venv-quantize/bin/pip install '.[quantize]') and name it with "
            "--python .venv-quantize/bin/python"
        )
    return f"gptqmodel failed: {last}"
