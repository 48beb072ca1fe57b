"""Labelled samples from a file or a folder of files, in any of the formats that are in use."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from app.errors import InputError
from app.evaluation.datasets.kit import FOLDERS, ec_guide_samples, is_choice, kit_samples, published_samples
from app.evaluation.names import TRACKS
from app.files import STANDARD_STREAM
from app.tables.columns import NO_COLUMNS, Columns
from app.tables.raw import RawRow
from app.tables.readers import SUFFIXES, read_raw, stem_of, strict, tables_in
from app.types import Sample

_SKILL = re.compile(r"skill_?([1-4])")


@dataclass(frozen=True, slots=True)
class Dataset:
    """Samples with ids that are unique among them, and what a reader of scores must know."""

    path: Path
    samples: list[Sample]
    notes: list[str] = field(default_factory=list)


def read_dataset(path: Path, columns: Columns = NO_COLUMNS, kind: str | None = None) -> Dataset:
    """Samples of the development set's format, Shopping MMLU, EC-Guide, or of any table with such columns.

    The format is found from a file's name and first row; tables with other names for their fields need `columns`, and
    `kind` is as in `app.tables.readers`. A folder is read whole, files in order of name; its samples' ids begin with
    their file's name.

    Raises:
        InputError: nothing to read, or a malformed row; the message names file, line and field.
    """
    files = _files(path)
    samples: list[Sample] = []
    notes: list[str] = []
    for file in files:
        rows = list(strict(map(columns.renamed, read_raw(file, kind)), file))
        found, note = _samples(rows, file, own=bool(columns))
        notes += [note] if note else []
        samples += found if file == path else [_prefixed(sample, file, path) for sample in found]
    if not samples:
        raise InputError(f"{path} holds no sample that can be scored")
    identity, count = Counter(sample.question.id for sample in samples).most_common(1)[0]
    if count > 1:
        raise InputError(f"{path}: the id {identity!r} stands {count} times; make ids unique or leave them out")
    return Dataset(path, samples, notes)


def spread(length: int, limit: int) -> list[int]:
    """At most `limit` places of so many, spread evenly over them, so that all tasks of a file are seen."""
    count = min(limit, length)
    return [number * length // count for number in range(count)]


def _files(path: Path) -> list[Path]:
    if not (path == STANDARD_STREAM or path.exists()):
        raise InputError(f"{path} does not exist")
    if not path.is_dir():
        return [path]
    files = tables_in(path, "**/*")
    by_task = [file for file in files if file.parent.name in FOLDERS]
    # Shopping MMLU holds every sample twice: by task and, in the folder `skills`, by track.
    files = by_task if by_task and any(file.parent.name == "skills" for file in files) else files
    if not files:
        raise InputError(f"{path} holds no {', '.join(SUFFIXES)} file")
    return files


def _samples(rows: Sequence[RawRow], path: Path, *, own: bool) -> tuple[list[Sample], str]:
    """The samples, and what has to be said of them."""
    fields, name = rows[0].values, stem_of(path)
    if "metric" in fields and "task_name" not in fields and "output_field" in fields and "id" not in fields:
        samples, dropped = ec_guide_samples(rows, path)
        left_out = f"{dropped} rows of {path.name} left out: yes-or-no answers have no ShopBench metric"
        return samples, left_out if dropped else ""
    choice = "gold" in fields and is_choice(rows[0])
    if "metric" not in fields and (own or choice or "target_field" in fields):
        return published_samples(rows, path)
    skill = _SKILL.search(name)
    return kit_samples(rows, name, TRACKS[int(skill[1]) - 1].name if skill else ""), ""


def _prefixed(sample: Sample, file: Path, folder: Path) -> Sample:
    name = file.relative_to(folder).with_name(stem_of(file)).as_posix()
    return replace(sample, question=replace(sample.question, id=f"{name}/{sample.question.id}"))
