"""Lines that were being asked when the engine died: one of them may have killed it, and would again."""

import json
import logging
from collections.abc import Iterable
from pathlib import Path

from app.whole_file import write_whole

log = logging.getLogger(__name__)
MOST_DEATHS = 3
"""A line is asked no more after so many deaths of the engine with it."""


class Suspects:
    """How often the engine died with a line, by the line's name, in a file that outlives the server."""

    def __init__(self, path: Path) -> None:
        """Read what earlier servers saw.

        Raises:
            OSError: the file cannot be read.
        """
        self._path = path
        self._deaths: dict[str, int] = {}
        if path.is_file():
            try:
                self._deaths = json.loads(path.read_bytes())
            except ValueError:
                # The machine lost its power: the lines have all their chances again, and the batch must go on.
                log.warning("cannot read which lines the engine died with", extra={"path": str(path)})

    def __contains__(self, name: str) -> bool:
        return name in self._deaths

    def convicted(self, name: str) -> bool:
        """Whether the line has had its chances."""
        return self._deaths.get(name, 0) >= MOST_DEATHS

    def add(self, names: Iterable[str]) -> None:
        """The engine died with these lines. They are on the disk when the call returns.

        Raises:
            SetupError: the disk is full, or refuses otherwise.
        """
        for name in names:
            self._deaths[name] = self._deaths.get(name, 0) + 1
        write_whole(self._path, json.dumps(self._deaths))
