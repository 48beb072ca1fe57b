"""Samples out, in the starter kit's JSON lines."""

from collections.abc import Iterable
from pathlib import Path

from app.evaluation.datasets.kit import kit_row
from app.types import Sample
from app.whole_file import write_lines


def write_kit(samples: Iterable[Sample], path: Path) -> int:
    """Write the samples so that the kit's script reads them; the file appears whole or not at all. Their number."""
    return write_lines(path, (kit_row(sample) for sample in samples))
