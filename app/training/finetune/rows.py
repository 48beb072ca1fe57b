"""The rows of a run: read, filtered by capability, and told apart by where they stand."""

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.errors import InputError, SetupError
from app.training.row import Capability, TrainingRow, row_from_json


@dataclass(frozen=True, slots=True)
class PlacedRow:
    """A row and where it stands, for messages."""

    place: str
    row: TrainingRow


@dataclass(frozen=True, slots=True)
class DataFile:
    """What a run says about one of its files."""

    path: str
    sha256: str
    rows: int
    """Rows that the run may use, after the filter by capability."""
    capabilities: dict[str, int]
    task_types: dict[str, int]


def read_data(paths: Sequence[Path], capabilities: Collection[Capability]) -> tuple[list[PlacedRow], list[DataFile]]:
    """The rows of all files, those of other capabilities left out.

    Raises:
        SetupError: a file cannot be read, or no row is left.
        InputError: a line is not a training row.
    """
    rows: list[PlacedRow] = []
    files = []
    for path in paths:
        found = [placed for placed in _read(path) if not capabilities or placed.row.capability in capabilities]
        rows += found
        files.append(
            DataFile(
                str(path),
                file_digest(path),
                len(found),
                dict(Counter(placed.row.capability.value for placed in found)),
                dict(Counter(placed.row.task_type.value for placed in found)),
            )
        )
    if not rows:
        wanted = f" of {', '.join(sorted(capabilities))}" if capabilities else ""
        raise SetupError(f"no rows{wanted} in {', '.join(map(str, paths))}; see 'shopbench data build'")
    return rows, files


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(path: Path) -> Iterator[PlacedRow]:
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield PlacedRow(f"{path}, line {number}", _row(path, number, line))
    except OSError as error:
        raise SetupError(f"cannot read {path}: {error.strerror}; make it with 'shopbench data build'") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text; make it with 'shopbench data build'") from error


def _row(path: Path, number: int, line: str) -> TrainingRow:
    try:
        return row_from_json(json.loads(line))
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}, line {number} is not JSON: {error.msg}; make it with 'shopbench data build'"
        ) from error
    except InputError as error:
        raise InputError(f"{path}, line {number}: {error}") from error
