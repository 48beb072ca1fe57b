"""`shopbench data generate` and `shopbench data catalogue`: rows and raw data of the generated shop."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from app.commands.output import track
from app.errors import SetupError
from app.training.curriculum.registry import Declaration, draw_row, source_of, task_named
from app.training.curriculum.selection import select_tasks
from app.training.curriculum.source import GeneratedSource
from app.training.row import Capability, TrainingRow
from app.training.whole_folder import FolderKind, whole_folder
from app.types import TaskType
from app.whole_file import write_lines


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


def write_catalogue(target: Path, products: int, seed: int) -> int:
    """Write every file of the catalogue into a new folder, which appears when it is whole.

    Raises:
        SetupError: the folder is there already, or cannot be written.
    """
    from app.training.catalogue.catalogue import Catalogue
    from app.training.catalogue.publishing import FILES, lines

    shop = Catalogue(seed, population=products)
    with whole_folder(target, FolderKind("catalogue", next(iter(FILES))), overwrite=False) as made:
        return sum(write_lines(made / name, track(lines(shop, name, products), products, name)) for name in FILES)
