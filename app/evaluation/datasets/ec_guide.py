"""EC-Guide (ZJU-AI4H, Apache-2.0): JSON arrays, one a sub-task, in nearly the kit's format."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from app.evaluation.datasets.kit import kit_samples
from app.evaluation.datasets.rows import FileRow
from app.evaluation.tracks import BEHAVIOR, MULTILINGUAL, REASONING, UNDERSTANDING
from app.types import Sample

GROUPS = ("MCQ", "NER", "Generation", "Retrieval")
"""The collection's folders. Sub-task names repeat between them."""

UNSCORED_METRIC = "bool"
"""Yes-or-no rows: no ShopBench metric reads them."""

_TRACKS = {
    UNDERSTANDING: ("CR", "PE", "EPF", "EPK", "ERK", "PKS", "SPA", "SAP", "NER", "RRA", "RRS", "PR"),
    REASONING: ("ACR",),
    BEHAVIOR: ("PRP", "QPRP", "QPRJ", "SA", "EBT", "PQA", "RTS"),
    MULTILINGUAL: ("MT", "MDM"),
}
_TRACK_OF = {name: track for track, names in _TRACKS.items() for name in names}


def ec_guide_samples(rows: Sequence[FileRow]) -> tuple[list[Sample], int]:
    """The file's samples, and how many yes-or-no rows were dropped.

    The task is named "MCQ/PRP" after folder and file; tracks follow what each sub-task asks for.

    Raises:
        InputError: a field is missing or cannot be read; the message names line and field.
    """
    kept = [row for row in rows if row.fields.get("metric") != UNSCORED_METRIC]
    path = rows[0].path
    name = _task_name(path)
    samples = kit_samples(kept, _TRACK_OF.get(path.stem, ""))
    return [replace(sample, task_name=name) for sample in samples], len(rows) - len(kept)


def _task_name(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}" if path.parent.name in GROUPS else path.stem
