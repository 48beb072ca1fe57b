"""The model card: `README.md` of a checkpoint, written from the records of the runs that made it.

Nothing in it is typed by hand but the title, the licence and an optional paragraph: figures, licences and machines
are read from `lineage.json`, `training.json`, a mixture's `manifest.json` and evaluations' `report.json`.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.checkpoints.folder import TRAINING, read_config
from app.checkpoints.lineage import Lineage, LineageStep, read_lineage
from app.checkpoints.tensors import CheckpointTensors, weight_files
from app.data.mixing.manifest import Manifest, read_manifest
from app.errors import InputError
from app.evaluation.evaluation import REPORT
from app.evaluation.schema import EvalReport, Interval
from app.files import write_whole

HASH_DIGITS = 12
"""Of a digest that is shown: enough to recognise a file by."""


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table with its head; nothing where there are no rows."""
    lines = [_row(row) for row in rows]
    if not lines:
        return ""
    return "\n".join([_row(head), "|" + "---|" * len(head), *lines]) + "\n"


def section(title: str, *parts: str) -> str:
    """A section of its non-empty parts; nothing where all are empty."""
    filled = [part.strip() for part in parts if part.strip()]
    return f"## {title}\n\n" + "\n\n".join(filled) + "\n" if filled else ""


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Nested settings as `(a.b, value)`, those that are not set left out."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}.")
        elif value is not None and value != []:
            yield f"{prefix}{name}", value


def shown(value: object) -> str:
    """A value for people: figures with at most four digits that count, lists with commas."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(shown, value))
    return "" if value is None else str(value)


def hours(seconds: float) -> str:
    """A duration for people."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def _row(cells: Sequence[object]) -> str:
    return "| " + " | ".join(shown(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


PLACES = ("output", "run", "train", "validation", "model", "rows", "prompts")
"""Settings that say where files lay: the files are told by their digests."""


def shape_section(config: Mapping[str, Any], parameters: int, size: int) -> str:
    """Architecture, parameters and number format, from `config.json`."""
    quantization = config.get("quantization_config") or {}
    rows = [
        ("architecture", ", ".join(config.get("architectures") or [])),
        ("parameters", parameters),
        ("layers", config.get("num_hidden_layers")),
        ("hidden size", config.get("hidden_size")),
        ("MLP units", config.get("intermediate_size")),
        (
            "attention heads",
            f"{config.get('num_attention_heads')} ({config.get('num_key_value_heads')} for keys and values)",
        ),
        ("vocabulary", config.get("vocab_size")),
        ("context, tokens", config.get("max_position_embeddings")),
        ("number format", config.get("dtype") or config.get("torch_dtype")),
        ("quantization", _quantization(quantization)),
        ("weight files, bytes", size),
    ]
    return section("Model", table(("", ""), [row for row in rows if row[1] not in (None, "")]))


def training_section(record: Mapping[str, Any]) -> str:
    """Settings, progress, losses and machine, from `training.json`."""
    if not record:
        return ""
    progress = record.get("progress") or {
        name: record[name] for name in ("steps", "tokens", "seconds", "parameters") if name in record
    }
    told = [
        (name.replace("_", " "), hours(float(value)) if name == "seconds" else value)
        for name, value in progress.items()
        if value is not None
    ]
    told = [("duration" if name == "seconds" else name, value) for name, value in told]
    origin = [("base", record.get("model")), ("machine", _machine(record.get("machine")))]
    settings = [
        (name, value) for name, value in flat(record.get("settings") or {}) if name.split(".")[-1] not in PLACES
    ]
    losses = record.get("losses") or {}
    return section(
        "Training",
        table(("", ""), [*(row for row in origin if row[1]), *told]),
        "Mean negative log-likelihood of an answer token, nats:" if any(losses.values()) else "",
        table(
            ("", "step", "loss"),
            [(name.replace("_", " "), values["step"], _loss(values)) for name, values in losses.items() if values],
        ),
        "Settings:" if settings else "",
        table(("setting", "value"), settings),
    )


def files_section(record: Mapping[str, Any]) -> str:
    """The data files that a run read, from its own record."""
    data = record.get("data") or {}
    files = [("train", data)] if "sha256" in data else []
    files += [(split, file) for split in ("train", "validation") for file in data.get(split) or []]
    rows = [
        (Path(file["path"]).name, split, file["rows"], f"`{str(file['sha256'])[:HASH_DIGITS]}`")
        for split, file in files
    ]
    return section("Data files", table(("file", "use", "rows", "SHA-256"), rows))


def data_section(manifest: Manifest) -> str:
    """Sources with their licences, tasks, and what was mended or dropped, from a mixture's manifest."""
    splits = sorted({split for source in manifest.sources.values() for split in source.written})
    sources = [
        (name, source.licence, source.read, *(source.written.get(split, 0) for split in splits))
        for name, source in manifest.sources.items()
    ]
    tasks = [
        (name, task.capability.value, task.task_type.value, task.metric, task.written.get("train", 0))
        for name, task in manifest.tasks.items()
    ]
    faults = [(f"mended: {name}", count) for name, count in manifest.repaired.items()]
    faults += [(f"dropped: {name}", count) for name, count in manifest.dropped.items()]
    outputs = [(name, file.rows, f"`{file.sha256[:HASH_DIGITS]}`") for name, file in manifest.outputs.items()]
    return section(
        "Data and licences",
        table(("source", "licence", "rows read", *splits), sources),
        f"{len(manifest.evaluation_prompts)} evaluation files or folders were held against the rows; "
        "rows that share a prompt with one are dropped.",
        table(("task", "capability", "task type", "metric", "train rows"), tasks),
        table(("what", "rows"), faults),
        table(("file", "rows", "SHA-256"), outputs),
    )


def score_section(report: EvalReport) -> str:
    """Scores with their intervals beside the baselines, from an evaluation's report."""
    overall = report.overall
    rows: list[tuple[object, ...]] = [
        (
            name,
            task.metric,
            task.n,
            _score(task.score),
            _interval(task.interval),
            _score(task.baselines.random),
            _score(task.baselines.majority),
        )
        for name, task in report.tasks.items()
    ]
    rows.append(
        (
            "**mean over tasks**",
            "",
            overall.n_samples,
            _score(overall.mean_over_tasks),
            _interval(overall.mean_over_tasks_interval),
            _score(overall.baselines.random),
            _score(overall.baselines.majority),
        )
    )
    engine = " ".join(filter(None, (report.provenance.engine, report.provenance.engine_version)))
    digest = f" (SHA-256 `{report.data_sha256[:HASH_DIGITS]}`)" if report.data_sha256 else ""
    return section(
        f"Scores on {report.data}",
        f"{report.data}{digest}; {f'engine {engine}; ' if engine else ''}95 % intervals; "
        "baselines: a random legal answer, and the most frequent label.",
        table(("task", "metric", "n", "score", "interval", "random", "majority"), rows),
        "\n".join(f"- {note}" for note in report.notes),
    )


def lineage_section(lineage: Lineage) -> str:
    """Every step that made the checkpoint, with what it started from and what was measured."""
    steps = [
        (number, step.step, _inputs(step), _pairs(step.settings), hours(step.seconds), step.machine)
        for number, step in enumerate(lineage.steps, start=1)
    ]
    checks = "\n".join(
        f"- step {number}, {step.step}: {_pairs(step.checks)}"
        for number, step in enumerate(lineage.steps, start=1)
        if step.checks
    )
    return (
        section(
            "Lineage",
            "Revisions are fingerprints of a folder's content.",
            table(("", "step", "from", "settings", "duration", "machine"), steps),
            "Measured on the results:" if checks else "",
            checks,
        )
        if steps
        else ""
    )


def _quantization(values: Mapping[str, Any]) -> str:
    if not values:
        return ""
    if values.get("quant_method") == "gptq":
        return f"GPTQ, {values.get('bits')}-bit weights in groups of {values.get('group_size')}"
    return f"{values.get('quant_method')}, {values.get('format')}"


def _machine(machine: object) -> str:
    if not isinstance(machine, Mapping):
        return shown(machine)
    return ", ".join(f"{name}: {shown(value)}" for name, value in machine.items() if value not in ([], None))


def _loss(values: Mapping[str, Any]) -> str:
    return next((shown(value) for name, value in values.items() if name.endswith("loss")), "")


def _inputs(step: LineageStep) -> str:
    return "; ".join(f"{one.role} {one.name} `{one.revision}`" for one in step.inputs)


def _pairs(values: Mapping[str, Any]) -> str:
    return "; ".join(f"{name} {shown(value)}" for name, value in flat(values))


def _score(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _interval(interval: Interval | None) -> str:
    return "" if interval is None else f"{interval.low:.3f} to {interval.high:.3f}"


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
