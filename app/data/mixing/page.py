"""The page of a mixture, `report.html`: one file with its charts, faults and a row of each task."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from app.data.mixing.manifest import BySplit, Manifest
from app.data.row import TrainingRow
from app.report.page import render_page


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


@dataclass(frozen=True, slots=True)
class MixtureChart:
    """Rows by one of a row's properties, most first."""

    title: str
    bars: tuple[MixtureBar, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """How often something was mended or left out, and where."""

    place: str
    kind: str
    reason: str
    rows: int


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


def charts_of(manifest: Manifest) -> tuple[MixtureChart, ...]:
    """By capability, task type, source and task."""
    return (
        _chart("capability", manifest.capabilities),
        _chart("task type", manifest.task_types),
        _chart("source", {name: source.written for name, source in manifest.sources.items()}),
        _chart("task", {name: task.written for name, task in manifest.tasks.items()}),
    )


def faults_of(manifest: Manifest) -> Iterable[Fault]:
    """Of the sources' readers, then of the tasks' rows."""
    for name, source in manifest.sources.items():
        yield from (Fault(name, "by the reader", reason, n) for reason, n in source.faults.items())
    for name, task in manifest.tasks.items():
        yield from (Fault(name, "repaired", reason, n) for reason, n in task.repaired.items())
        yield from (Fault(name, "left out", reason, n) for reason, n in task.dropped.items())


def _chart(title: str, counts: Mapping[str, BySplit]) -> MixtureChart:
    rows = {name: sum(by_split.values()) for name, by_split in counts.items()}
    total, largest = sum(rows.values()), max(rows.values(), default=0)
    order = sorted(rows, key=lambda name: (-rows[name], name))
    return MixtureChart(
        title,
        tuple(
            MixtureBar(name, counts[name], rows[name], rows[name] / max(total, 1), rows[name] / max(largest, 1))
            for name in order
        ),
    )
