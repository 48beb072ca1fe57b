"""The model card: `README.md` of a checkpoint, written from the records of the runs that made it.

Nothing in it is typed by hand but the title, the licence and an optional paragraph: figures, licences and machines
are read from `lineage.json`, `training.json`, a mixture's `manifest.json` and evaluations' `report.json`.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.errors import InputError
from app.evaluation.evaluate import REPORT
from app.evaluation.schema import EvalReport
from app.training.checkpoints.card.sections import (
    data_section,
    files_section,
    lineage_section,
    score_section,
    shape_section,
    training_section,
)
from app.training.checkpoints.companions import TRAINING, read_config
from app.training.checkpoints.lineage import Lineage, read_lineage
from app.training.checkpoints.tensors import CheckpointTensors, weight_files
from app.training.mixing.manifest import Manifest, read_manifest
from app.whole_file import write_whole

CARD = "README.md"
PACKED = 8
"""4-bit weights in a 32-bit number."""


@dataclass(frozen=True, slots=True)
class CardRequest:
    """Where the records are, and the little that no record knows."""

    checkpoint: Path
    title: str
    licence: str
    """Of the weights, as model hubs name licences."""
    about: str = ""
    """A paragraph for people: what the model is for."""
    record: Path | None = None
    """The training's record, where it does not lie in the checkpoint's folder."""
    mixture: Path | None = None
    """Folder of the mixture that was trained on."""
    evaluations: tuple[Path, ...] = ()
    """Folders of evaluations of this checkpoint."""


def write_card(request: CardRequest) -> Path:
    """Write the card into the checkpoint's folder; return its path.

    Raises:
        InputError: a record is missing or of another version.
        SetupError: the folder cannot be written.
    """
    path = request.checkpoint / CARD
    write_whole(path, render_card(request))
    return path


def render_card(request: CardRequest) -> str:
    """The card's text in Markdown, with the metadata block that model hubs read.

    Raises:
        InputError: a record is missing or of another version.
    """
    config = read_config(request.checkpoint)
    lineage = read_lineage(request.checkpoint)
    record = _record(request)
    manifest = read_manifest(request.mixture) if request.mixture else None
    size = sum(path.stat().st_size for path in weight_files(request.checkpoint))
    parts = [
        _metadata(request, config, lineage, record),
        f"# {request.title}\n",
        request.about.strip() + "\n" if request.about.strip() else "",
        shape_section(config, count_parameters(request.checkpoint), size),
        *(score_section(_read_report(folder)) for folder in request.evaluations),
        training_section(record),
        data_section(manifest) if manifest else files_section(record),
        lineage_section(lineage),
        _limits(request, manifest),
    ]
    return "\n".join(part for part in parts if part)


def count_parameters(checkpoint: Path) -> int:
    """Numbers that the model multiplies with or adds, however they are packed; tied ones once.

    Raises:
        InputError: the weights are missing or damaged.
    """
    total = 0
    for name, plan in CheckpointTensors(checkpoint).plans.items():
        if name.endswith((".weight_scale", ".scales", ".qzeros", ".g_idx")):
            continue
        count = 1
        for length in plan.shape:
            count *= length
        total += count * PACKED if name.endswith(".qweight") else count
    return total


def _metadata(request: CardRequest, config: dict[str, Any], lineage: Lineage, record: dict[str, Any]) -> str:
    family = str(config.get("model_type", "")).strip()
    base = record.get("model") or next(
        (one.name for step in lineage.steps for one in step.inputs if one.role == "base"), None
    )
    tags = ", ".join(filter(None, (family, "e-commerce", "shopbench")))
    lines = [
        f"license: {request.licence}",
        "library_name: transformers",
        "pipeline_tag: text-generation",
        f"tags: [{tags}]",
    ]
    if isinstance(base, str) and not Path(base).is_absolute():
        lines.append(f"base_model: {base}")
    return "---\n" + "\n".join(lines) + "\n---\n"


def _record(request: CardRequest) -> dict[str, Any]:
    path = request.record or request.checkpoint / TRAINING
    if not path.is_file():
        if request.record:
            raise InputError(f"{request.record} does not exist: name the training.json of the run")
        return {}
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise InputError(f"{path} must hold one JSON object")
    return values


def _read_report(folder: Path) -> EvalReport:
    path = folder / REPORT
    try:
        return EvalReport.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"{folder} holds no evaluation: cannot read {path} ({error.strerror})") from error
    except ValueError as error:
        raise InputError(f"{path} was not written by this version: evaluate again") from error


def _limits(request: CardRequest, manifest: Manifest | None) -> str:
    missing: Sequence[str] = [
        text
        for text, there in (
            ("No evaluation is given: nothing is known of how good the answers are.", bool(request.evaluations)),
            ("No mixture is given: sources and licences of the training data are not listed.", manifest is not None),
        )
        if not there
    ]
    return "## Not in this card\n\n" + "\n".join(f"- {line}" for line in missing) + "\n" if missing else ""
