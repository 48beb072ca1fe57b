"""What a build tells of its progress."""

from typing import Protocol


class Watch(Protocol):
    """Told of each phase and of each step in it."""

    def phase(self, name: str, total: int) -> None:
        """A phase of `total` steps begins."""
        ...

    def advance(self, steps: int = 1) -> None:
        """So many steps of the phase are done."""
        ...


class Unwatched:
    """Tells nobody."""

    def phase(self, name: str, total: int) -> None:
        """Pass it over."""

    def advance(self, steps: int = 1) -> None:
        """Pass it over."""
