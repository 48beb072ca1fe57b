"""`shopbench data generate`: training rows of the generated catalogue."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from app.commands.output import track
from app.errors import InputError
from app.jsonl import dump
from app.training.curriculum.registry import Declaration, draw_row
from app.training.row import TrainingRow


def generate_rows(tasks: Sequence[Declaration], rows: int, seed: int) -> Iterator[TrainingRow]:
    """`rows` rows, the tasks in turn. Row k is the same whatever `rows` is."""
    for number in range(rows):
        index, place = divmod(number, len(tasks))
        yield draw_row(tasks[place], seed, index)


def write_rows(target: Path, rows: Iterator[TrainingRow], total: int) -> int:
    """Write rows as JSON lines under another name and give the file its own when it is whole.

    Raises:
        InputError: the file cannot be written.
    """
    partial = target.with_name(target.name + ".part")
    written = 0
    try:
        with partial.open("w", encoding="utf-8") as out:
            for row in track(rows, total, "Drawing"):
                out.write(dump(row.to_json()) + "\n")
                written += 1
        partial.replace(target)
    except OSError as error:
        raise InputError(f"cannot write {target}: {error.strerror}; nothing is left of it") from error
    finally:
        partial.unlink(missing_ok=True)
    return written
