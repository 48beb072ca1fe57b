"""The sections of a model card, each from one record of the runs that made the checkpoint."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.evaluation.schema import EvalReport, Interval
from app.training.checkpoints.card.markdown import HASH_DIGITS, flat, hours, section, shown, table
from app.training.checkpoints.lineage import Lineage, LineageStep
from app.training.mixing.manifest import Manifest

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
