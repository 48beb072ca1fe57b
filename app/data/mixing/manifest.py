"""What a mixture was made of and how: the file `manifest.json` in its folder."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, JsonValue

from app.data.row import Capability, TrainingRow
from app.evaluation.schema import Record
from app.report.page import render_page
from app.types import TaskType

SCHEMA_VERSION = 1
BySplit = dict[str, int]
"""A number for each split."""


class SourceSummary(Record):
    """One source: what may be done with it, and what came of it."""

    licence: str
    place: str | None
    """Folder or file; none where the source is generated."""
    faults: dict[str, int]
    """Records that its reader mended or dropped, by reason."""
    read: int
    """Rows before the checks."""
    written: BySplit


class TaskSummary(Record):
    """One task, from what was read to what was written."""

    capability: Capability
    task_type: TaskType
    metric: str
    sources: list[str]
    read: int
    repaired: dict[str, int]
    """Rows that were mended and went on, by what was done."""
    dropped: dict[str, int]
    """Rows that were left out, by reason."""
    clean: BySplit
    """Rows that could be written, once each: read less dropped."""
    written: BySplit


class UnmetShare(Record):
    """A share that its rows could not fill; the rest went to its neighbours as far as these had rows."""

    split: str
    level: str
    name: str
    wanted: int
    given: int


class OutputFile(Record):
    """One file of the folder."""

    rows: int
    bytes: int
    sha256: str
    prompt_tokens: int | None = None
    """Where the settings name a tokenizer: of the conversations that training shows, and of the answers."""
    answer_tokens: int | None = None


class Manifest(Record):
    """The whole record. It holds no time and no place of its own, so that equal mixtures have equal manifests."""

    schema_version: int = SCHEMA_VERSION
    git_revision: str | None
    seed: int
    settings: dict[str, JsonValue]
    inputs: dict[str, str]
    """SHA-256 by file, of everything that was read."""
    evaluation_prompts: dict[str, int]
    """Distinct prompts that rows were held against, by file or folder."""
    sources: dict[str, SourceSummary]
    tasks: dict[str, TaskSummary]
    capabilities: dict[str, BySplit]
    task_types: dict[str, BySplit]
    unmet: list[UnmetShare]
    outputs: dict[str, OutputFile] = Field(min_length=1)

    @property
    def dropped(self) -> dict[str, int]:
        """Rows that were left out, by reason, over all tasks; most first."""
        return _summed(task.dropped for task in self.tasks.values())

    @property
    def repaired(self) -> dict[str, int]:
        """Rows that were mended, as `dropped`."""
        return _summed(task.repaired for task in self.tasks.values())

    @property
    def read(self) -> int:
        """Rows before the checks."""
        return sum(task.read for task in self.tasks.values())


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a mixture.

    Raises:
        InputError: the folder is no mixture, or one of another version.
    """
    fix = "build the mixture again with 'shopbench data build'"
    return Manifest.from_file(folder / "manifest.json", f"{folder} is no mixture", fix)


def _summed(tables: Iterable[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for table in tables:
        total.update(table)
    return dict(sorted(total.items(), key=lambda entry: (-entry[1], entry[0])))


@dataclass(frozen=True, slots=True)
class MixtureBar:
    """One line of a bar chart."""

    name: str
    by_split: BySplit
    rows: int
    share: float
    """Of all rows, 0 to 1."""
    width: float
    """Of the longest bar, 0 to 1."""


def render_mixture(manifest: Manifest, name: str, examples: Iterable[TrainingRow]) -> str:
    """The page; `examples` are rows to show, one of each task."""
    return render_page(
        "mixture.html.j2",
        data=None,
        manifest=manifest,
        name=name,
        total=sum(file.rows for file in manifest.outputs.values()),
        splits=[file.removesuffix(".jsonl") for file in manifest.outputs],
        charts=charts_of(manifest),
        faults=list(faults_of(manifest)),
        rows=sorted(examples, key=lambda row: row.task),
    )


def charts_of(manifest: Manifest) -> dict[str, list[MixtureBar]]:
    """Bars by capability, task type, source and task, longest first."""
    return {
        "capability": _bars(manifest.capabilities),
        "task type": _bars(manifest.task_types),
        "source": _bars({name: source.written for name, source in manifest.sources.items()}),
        "task": _bars({name: task.written for name, task in manifest.tasks.items()}),
    }


def faults_of(manifest: Manifest) -> Iterable[tuple[str, str, str, int]]:
    """Place, kind, reason and rows: of the sources' readers, then of the tasks' rows."""
    for name, source in manifest.sources.items():
        yield from ((name, "by the reader", reason, n) for reason, n in source.faults.items())
    for name, task in manifest.tasks.items():
        yield from ((name, "repaired", reason, n) for reason, n in task.repaired.items())
        yield from ((name, "left out", reason, n) for reason, n in task.dropped.items())


def _bars(counts: Mapping[str, BySplit]) -> list[MixtureBar]:
    rows = {name: sum(by_split.values()) for name, by_split in counts.items()}
    total, largest = sum(rows.values()), max(rows.values(), default=0)
    order = sorted(rows, key=lambda name: (-rows[name], name))
    return [
        MixtureBar(name, counts[name], rows[name], rows[name] / max(total, 1), rows[name] / max(largest, 1))
        for name in order
    ]
