"""What stands in files, on disk: a file appears whole or not at all."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


class Contents:
    """A folder of contents by file id. Ids are made here, never a client's."""

    def __init__(self, folder: Path) -> None:
        """Use a folder, made if needed."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def path(self, name: str) -> Path:
        """Where the content of a file lies."""
        return self.folder / name

    @contextmanager
    def write(self, name: str) -> Iterator[BinaryIO]:
        """An open file that takes its place when the block ends well, on the disk by then."""
        partial = self.folder / f"{name}.part"
        try:
            with partial.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self.path(name))
            self._sync_folder()
        finally:
            partial.unlink(missing_ok=True)

    def remove(self, name: str) -> None:
        """Delete a content, if there is one."""
        self.path(name).unlink(missing_ok=True)

    def _sync_folder(self) -> None:
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def keep_only(folder: Path, wanted: Callable[[str], bool]) -> None:
    """Delete the files of a folder that nobody knows by name: what a process has left that did not end well."""
    for path in folder.iterdir():
        if not wanted(path.name):
            path.unlink()
