"""Where a training task's records come from: a published data set, or something made here."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class PublishedSource:
    """A data set in the form in which it is published."""

    name: str
    """Unique; what a task's `source` says."""
    licence: str
    """Its publisher's words, such as "Apache-2.0"."""
    home: str
    """Where it is published."""
    folder: str
    """Where it lies below the data folder."""
    read: Callable[[Path, Counter[str]], Iterable[object]]
    """Records of the data set's own folder, lazily and in a fixed order; the counter takes what was mended or dropped.

    Raises InputError where a file is not what the data set publishes.
    """

    def present(self, data: Path) -> bool:
        """Whether a data folder holds it."""
        return (data / self.folder).exists()


@dataclass(frozen=True, slots=True)
class GeneratedSource:
    """Something made here: endless, and the same for the same seed. Each row is drawn from the whole of it."""

    name: str
    licence: str
    make: Callable[[int], object]
    """The source of a seed; cheap, as it makes its parts when they are asked for."""

    def present(self, data: Path) -> bool:  # noqa: ARG002 - as a published one answers
        """Always."""
        return True


Source = PublishedSource | GeneratedSource
