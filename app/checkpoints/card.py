"""The model card: `README.md` of a checkpoint, written from the records of the runs that made it.

Nothing in it is typed by hand but the title, the licence and an optional paragraph: figures, licences and machines
are read from `lineage.json`, `training.json`, a mixture's `manifest.json` and evaluations' `report.json`. Its layout
is the template `card.md.j2`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Template

from app.checkpoints.folder import TRAINING, LineageStep, read_config, read_lineage
from app.checkpoints.tensors import CheckpointTensors, weight_bytes
from app.data.mixing.manifest import read_manifest
from app.engines.checkpoint_files import read_object
from app.errors import InputError, SetupError
from app.evaluation.evaluation import REPORT
from app.evaluation.schema import EvalReport, GroupScore
from app.files import write_whole
from app.jobs.identity import local_checkpoint
from app.report.charts import duration
from app.report.page import pages, words

CARD = "README.md"
ADAPTER = "adapter_config.json"
MANIFEST = "manifest.json"
HASH_DIGITS = 12
"""Of a digest that is shown: enough to recognise a file by."""
PACKED = 8
"""4-bit weights in a 32-bit number."""
PLACES = ("output", "run", "train", "validation", "model", "prompts")
"""Settings that say where files lay: the files are told by their digests."""


@dataclass(frozen=True, slots=True)
class CardRequest:
    """Where the records are, and the little that no record knows."""

    checkpoint: Path
    title: str
    licence: str = ""
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
    """Write the card into the checkpoint's folder; return its path. Errors as `render_card` and `write_whole`."""
    path = request.checkpoint / CARD
    write_whole(path, render_card(request))
    return path


def render_card(request: CardRequest) -> str:
    """The card's text in Markdown, with the metadata block that model hubs read.

    Raises:
        InputError: a record is missing or of another version.
    """
    adapter = (request.checkpoint / ADAPTER).is_file()
    config = {} if adapter else read_config(request.checkpoint)
    steps = read_lineage(request.checkpoint).steps
    if request.record and not request.record.is_file():
        raise InputError(f"{request.record} does not exist: name the training.json of the run")
    training = request.record or request.checkpoint / TRAINING
    record: dict[str, Any] = read_object(training) if training.is_file() else {}
    weights = _base_of(request.checkpoint, record) if adapter else request.checkpoint
    config = config or read_config(weights)
    bases = [one.name for step in steps for one in step.inputs if one.role == "base"]
    data = record.get("data") or {}
    manifest = read_manifest(request.mixture) if request.mixture else None
    text = _template().render(
        request=request,
        groups=_groups,
        adapter=adapter,
        tags=[tag for tag in (config.get("model_type"), "e-commerce", "shopbench") if tag],
        base=record.get("model") or next(iter(bases), ""),
        shape=_shape(config, weights),
        reports=[
            EvalReport.from_file(folder / REPORT, f"{folder} holds no evaluation", "evaluate again")
            for folder in request.evaluations
        ],
        record=record,
        run=_run(record),
        losses=record.get("losses") or {},
        settings=[
            (name, value) for name, value in flat(record.get("settings") or {}) if name.split(".")[-1] not in PLACES
        ],
        files=[(split, file) for split in ("train", "validation") for file in data.get(split) or []],
        manifest=manifest,
        splits=sorted({split for source in manifest.sources.values() for split in source.written}) if manifest else [],
        steps=steps,
        measured=[(number, step) for number, step in enumerate(steps, start=1) if step.checks],
    )
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _template() -> Template:
    environment = pages()
    environment.autoescape = False  # Markdown, which HTML's escaping would spoil
    environment.globals |= {
        "row": row,
        "written": lambda source, splits: [source.written.get(split, 0) for split in splits],
    }
    environment.filters["digest"] = lambda text: text[:HASH_DIGITS]
    environment.filters |= {"inputs": _inputs, "pairs": _pairs}
    return environment.get_template("card.md.j2")


def row(*cells: object) -> str:
    """A line of a table in Markdown."""
    return "| " + " | ".join(shown(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


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


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Nested settings as `(a.b, value)`, those that are not set left out."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}.")
        elif value is not None and value != []:
            yield f"{prefix}{name}", value


def _pairs(values: Mapping[str, Any]) -> str:
    return "; ".join(f"{name} {shown(value)}" for name, value in flat(values))


def _inputs(step: LineageStep) -> str:
    return "; ".join(f"{one.role} {one.name} `{one.revision}`" for one in step.inputs)


def _shape(config: Mapping[str, Any], checkpoint: Path) -> list[tuple[str, object]]:
    """Architecture, parameters and number format."""
    heads = f"{config.get('num_attention_heads')} ({config.get('num_key_value_heads')} for keys and values)"
    packed = config.get("quantization_config") or {}
    quantization = f"{packed['quant_method']}, {packed.get('format')}" if packed else ""
    if packed.get("quant_method") == "gptq":
        quantization = f"GPTQ, {packed.get('bits')}-bit weights in groups of {packed.get('group_size')}"
    return [
        ("architecture", config.get("architectures")),
        ("parameters", count_parameters(checkpoint)),
        ("layers", config.get("num_hidden_layers")),
        ("hidden size", config.get("hidden_size")),
        ("MLP units", config.get("intermediate_size")),
        ("attention heads", heads),
        ("vocabulary", config.get("vocab_size")),
        ("context, tokens", config.get("max_position_embeddings")),
        ("number format", config.get("dtype") or config.get("torch_dtype")),
        ("quantization", quantization),
        ("weight files, bytes", weight_bytes(checkpoint)),
    ]


def count_parameters(checkpoint: Path) -> int:
    """Numbers that the model multiplies with or adds, however they are packed; tied ones once."""
    return sum(
        plan.numbers * (PACKED if name.endswith(".qweight") else 1)
        for name, plan in CheckpointTensors(checkpoint).plans.items()
        if not name.endswith((".weight_scale", ".scales", ".qzeros", ".g_idx"))
    )


def _run(record: Mapping[str, Any]) -> list[tuple[str, object]]:
    """What a training record says of the run: its base, its machine and how far it came."""
    progress = dict(record.get("progress") or {})
    seconds = progress.pop("seconds", None)
    return [
        ("base", record.get("model")),
        ("machine", "; ".join(f"{name}: {shown(value)}" for name, value in flat(record.get("machine") or {}))),
        ("duration", None if seconds is None else duration(seconds)),
        *((words(name), value) for name, value in progress.items()),
    ]


def _groups(report: EvalReport) -> list[tuple[str, GroupScore]]:
    """Task types, and tracks where there are several, which are the capabilities of a mixture's rows."""
    tracks = [(track.name, track) for track in report.tracks.values()] if len(report.tracks) > 1 else []
    return [*((kind.value, group) for kind, group in report.types.items()), *tracks]


def mixture_of(folder: Path) -> Path | None:
    """The folder of the mixture that a run's record names, where it is still there with the rows that were trained on.

    Raises:
        InputError: the record or the manifest cannot be read.
    """
    files = (read_object(folder / TRAINING).get("data") or {}).get("train") or []
    folders = {Path(file["path"]).parent for file in files}
    if len(folders) != 1 or not ((place := folders.pop()) / MANIFEST).is_file():
        return None
    made = {output.sha256 for output in read_manifest(place).outputs.values()}
    return place if all(file["sha256"] in made for file in files) else None


def _base_of(adapter: Path, record: Mapping[str, Any]) -> Path:
    """The folder of the checkpoint that an adapter belongs to."""
    name = str(record.get("model") or read_object(adapter / ADAPTER).get("base_model_name_or_path"))
    try:
        return local_checkpoint(name)
    except SetupError as error:
        raise InputError(f"{adapter} is an adapter for {name!r}, whose shape the card tells: {error}") from error
