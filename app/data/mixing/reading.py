"""The rows of a mixture's sources, each source read once."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from itertools import islice
from pathlib import Path

from app.data.mixing.mixture import MixtureSettings, SourceSettings, fits, refuse_unknown
from app.data.own import nothing_learnt, rows_of
from app.data.row import TrainingRow
from app.data.sources.reading import is_hub_name
from app.data.tasks.declared import SOURCES, TASKS, Declaration, draw_row
from app.data.tasks.task import GeneratedSource, PublishedSource
from app.errors import SetupError
from app.tables.readers import count_rows, read_raw, strict


@dataclass(slots=True)
class Feed:
    """One source of a mixture: its rows in a fixed order, and what became known while they were read."""

    name: str
    licence: str
    settings: SourceSettings
    seed: int
    place: Path | None = None
    """A file or a folder; none where the source is generated."""
    published: PublishedSource | None = None
    tasks: list[Declaration] = field(default_factory=list)
    """None for a file of rows, which brings tasks of its own."""
    faults: Counter[str] = field(default_factory=Counter)
    """What the source's own reader mended or dropped."""

    def rows(self, advance: Callable[[], object]) -> Iterator[TrainingRow]:
        """Lazily; of each task as many as the settings allow. `advance` is called for each step that `count` counts.

        Raises:
            InputError: a file is not what it should be.
        """
        if self.published:
            return self._published_rows(self.published, advance)
        return self._file_rows(self.place, advance) if self.place else self._generated_rows(advance)

    def files(self) -> list[Path]:
        """The files that are read, by name."""
        if self.place is None or self.place.is_file():
            return [self.place] if self.place else []
        return sorted(path for path in self.place.rglob("*") if path.is_file())

    def count(self) -> int:
        """How many rows or, of a published source, records there are to read: a measure of progress."""
        if self.published and self.place:
            return sum(1 for _ in self.published.read(self.place, Counter()))
        if self.place:
            return count_rows(self.place)
        return (self.settings.rows or 0) * len(self.tasks)

    def _published_rows(self, source: PublishedSource, advance: Callable[[], object]) -> Iterator[TrainingRow]:
        drawn: Counter[str] = Counter()
        for index, record in enumerate(source.read(self.place or Path(), self.faults)):
            limit = self.settings.rows
            if limit is not None and all(drawn[task.name] >= limit for task in self.tasks):
                return
            advance()
            for task in self.tasks:
                left = None if limit is None else limit - drawn[task.name]
                for row in islice(task.draw_rows(record, self.seed, index), left):
                    drawn[task.name] += 1
                    yield row

    def _generated_rows(self, advance: Callable[[], object]) -> Iterator[TrainingRow]:
        for task in self.tasks:
            for index in range(self.settings.rows or 0):
                advance()
                yield draw_row(task, self.seed, index)

    def _file_rows(self, path: Path, advance: Callable[[], object]) -> Iterator[TrainingRow]:
        drawn: Counter[str] = Counter()
        for raw in strict(read_raw(path), path):
            advance()
            for row in rows_of(raw, self.name, self.faults):
                drawn[row.task] += 1
                if self.settings.rows is None or drawn[row.task] <= self.settings.rows:
                    yield replace(row, source=self.name)
        if not drawn:
            raise nothing_learnt(path, self.faults)


def open_feeds(settings: MixtureSettings) -> list[Feed]:
    """The sources of a mixture, with their tasks chosen.

    Raises:
        SetupError: a source or a task is unknown, is not there, or says not enough.
    """
    feeds = [_feed(name, source, settings) for name, source in settings.sources.items()]
    declared = [task for task in TASKS.values() if task.source in settings.sources]
    if not any(source.file for source in settings.sources.values()):
        refuse_unknown_tasks(settings, ())
    for feed in feeds:
        feed.tasks = [task for task in declared if task.source == feed.name and is_chosen(task.name, settings)]
    return feeds


def is_chosen(name: str, settings: MixtureSettings) -> bool:
    """Whether a task is in the mixture."""
    return fits(name, settings.tasks.include) and not fits(name, settings.tasks.exclude)


def refuse_unknown_tasks(settings: MixtureSettings, found: Iterable[str]) -> None:
    """Refuse names of tasks that are neither declared for the sources nor `found` in files of rows.

    Raises:
        SetupError: the message has the setting and the nearest names.
    """
    declared = (task.name for task in TASKS.values() if task.source in settings.sources)
    known = sorted({*declared, *found})
    refuse_unknown("tasks.include", (one for one in settings.tasks.include if one != "*"), known)
    refuse_unknown("tasks.exclude", settings.tasks.exclude, known)
    refuse_unknown("mix.task.weights", settings.mix.task.weights, known)
    refuse_unknown("mix.caps", settings.mix.caps, known)


def _feed(name: str, asked: SourceSettings, settings: MixtureSettings) -> Feed:
    if asked.file:
        if name in SOURCES:
            raise SetupError(f"sources.{name}: the name is taken by a source of the project; give the file another one")
        if not asked.file.is_file():
            raise SetupError(
                f"sources.{name}: no file {asked.file}; it holds rows of your own, or of 'shopbench data generate'"
            )
        return Feed(name, asked.licence or "", asked, settings.seed, asked.file)
    source = SOURCES.get(name)
    if source is None:
        near = get_close_matches(name, SOURCES, n=3) or sorted(SOURCES)
        raise SetupError(f"sources: unknown source {name!r}; near: {', '.join(map(repr, near))}; or give it a file")
    if isinstance(source, GeneratedSource):
        if asked.folder:
            raise SetupError(f"sources.{name}: it is generated and has no folder")
        if asked.rows is None:
            raise SetupError(f"sources.{name}: it is endless; say with 'rows' how many rows of each task to draw")
        return Feed(name, source.licence, asked, settings.seed)
    place = asked.folder or settings.data / source.folder
    if not (is_hub_name(place) or place.exists()):
        raise SetupError(f"sources.{name}: no {place}; get it from {source.home}, or take it out of the mixture")
    return Feed(name, source.licence, asked, settings.seed, place, source)
