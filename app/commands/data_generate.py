"""`shopbench data generate` and `shopbench data catalogue`: rows and raw data of the generated shop."""

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from app.commands.output import track
from app.errors import InputError, SetupError
from app.jsonl import dump
from app.training.curriculum.registry import Declaration, draw_row, source_of, task_named
from app.training.curriculum.selection import select_tasks
from app.training.curriculum.source import GeneratedSource
from app.training.row import Capability, TrainingRow
from app.types import TaskType


def generated_tasks(
    names: Sequence[str], capabilities: Sequence[Capability], task_types: Sequence[TaskType]
) -> list[Declaration]:
    """The tasks that fit the filters and need no published data.

    Raises:
        SetupError: a name is unknown or that of a task over published data, or nothing is left.
    """
    for name in names:
        source = source_of(task_named(name))
        if not isinstance(source, GeneratedSource):
            raise SetupError(f"{name!r} asks about {source.name}, which is not made here: use 'shopbench data build'")
    chosen = select_tasks(names, capabilities, task_types)
    return [task for task in chosen if isinstance(source_of(task), GeneratedSource)]


def generate_rows(tasks: Sequence[Declaration], rows: int, seed: int) -> Iterator[TrainingRow]:
    """`rows` rows, the tasks in turn. Row k is the same whatever `rows` is."""
    for number in range(rows):
        index, place = divmod(number, len(tasks))
        yield draw_row(tasks[place], seed, index)


def write_lines(target: Path, objects: Iterable[Mapping[str, Any]], total: int, description: str) -> int:
    """Write JSON lines under another name and give the file its own when it is whole.

    Raises:
        InputError: the file cannot be written, or something else has its name.
    """
    if target.exists() and not target.is_file():
        raise InputError(f"{target} is no plain file: name a file that may be replaced")
    partial = target.with_name(target.name + ".part")
    written = 0
    try:
        with partial.open("w", encoding="utf-8") as out:
            for one in track(objects, total, description):
                out.write(dump(dict(one)) + "\n")
                written += 1
        partial.replace(target)
    except OSError as error:
        raise InputError(f"cannot write {target}: {error.strerror}; nothing is left of it") from error
    finally:
        with suppress(OSError):
            partial.unlink()
    return written


def write_catalogue(target: Path, products: int, seed: int) -> int:
    """Write every file of the catalogue into a new folder, which appears when it is whole.

    Raises:
        SetupError: the folder is there already.
        InputError: it cannot be written.
    """
    from app.training.catalogue.catalogue import Catalogue
    from app.training.catalogue.publishing import FILES, lines

    if target.exists():
        raise SetupError(f"{target} is there: name a folder that is not there yet")
    shop = Catalogue(seed, population=products)
    made: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        made = Path(mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        made.chmod(0o755)
        written = sum(write_lines(made / name, lines(shop, name, products), products, name) for name in FILES)
        made.rename(target)
    except OSError as error:
        raise InputError(f"cannot write {target}: {error.strerror}; nothing is left of it") from error
    finally:
        if made is not None:
            shutil.rmtree(made, ignore_errors=True)
    return written
