"""The output file: it appears whole or not at all."""

import gzip
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from app.errors import InputError
from app.files import STANDARD_STREAM, sync_folder
from app.jobs.journal import journal_path, partial_path, store_path

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


MOST_LINKS = 40
"""One behind another, as Linux has it: a circle must end."""


def real_path(target: Path) -> Path:
    """The file itself where the name is a link, absolute: links stay, and all names of a file share its lock.

    Links among the folders stand: other machines may know the folder by this name only.
    """
    if target == STANDARD_STREAM:
        return target
    target = target.absolute()
    for _ in range(MOST_LINKS):
        if target.is_symlink():
            target = target.parent / target.readlink()
    return target


def check_target(target: Path, source: Path) -> None:
    """Refuse an output that could not be written, or would destroy the input, before anything is asked.

    Raises:
        InputError: the target is a folder, its folder is missing or not writable, or the source is the target or
            a file beside it that the run writes.
    """
    if target == STANDARD_STREAM:
        return
    if source != STANDARD_STREAM and _overwrites(target, source):
        raise InputError(f"{source} would be overwritten by the output or a file beside it: name another output")
    if target.is_dir():
        raise InputError(f"{target} is a folder: name the file to write, such as {target / 'out.jsonl'}")
    if target.exists() and not target.is_file():
        raise InputError(f"{target} is no plain file: name a file that may be replaced, or - for standard output")
    if not target.parent.is_dir():
        raise InputError(f"the folder {target.parent} does not exist: create it, or write somewhere else")
    if not os.access(target.parent, os.W_OK):
        raise InputError(f"the folder {target.parent} is not writable: write somewhere else")


def _overwrites(target: Path, source: Path) -> bool:
    if not source.exists():
        return False
    written = (target, partial_path(target), journal_path(target), store_path(target))
    same = any(path.exists() and path.samefile(source) for path in written)
    return same or store_path(target) in source.resolve().parents


class PartialOutput:
    """The file while it is written; `complete` makes it appear under its name."""

    def __init__(self, file: BinaryIO) -> None:
        """Wrap an open file."""
        self.file = file
        self.whole = False

    def complete(self) -> None:
        """Everything was written."""
        self.whole = True


@contextmanager
def open_output(target: Path) -> Iterator[PartialOutput]:
    """A file beside the target that takes its place at the end if it is complete, and is removed otherwise.

    "-" is standard output, where rows appear as they come. A name that ends in ".gz" is compressed, without
    name and date in it, so that equal rows make equal files.

    Raises:
        InputError: the disk is full, or refuses otherwise. What the block itself raises is passed on as it is.
    """
    if target == STANDARD_STREAM:
        yield PartialOutput(cast("BinaryIO", _AtOnce(sys.stdout.buffer)))
        return
    partial = partial_path(target)
    try:
        with io.BufferedWriter(_Disk(partial, target)) as file:
            if target.suffix == ".gz":
                with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as compressed:
                    output = PartialOutput(cast("BinaryIO", compressed))
                    yield output
            else:
                output = PartialOutput(file)
                yield output
            file.flush()
            with _explained(target):
                os.fsync(file.fileno())
        if output.whole:
            with _explained(target):
                partial.replace(target)
                sync_folder(target.parent)
    finally:
        partial.unlink(missing_ok=True)


class _AtOnce(io.RawIOBase):
    """Standard output without a buffer: whoever reads it sees a row when it is there."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def writable(self) -> bool:
        return True

    def write(self, data: "ReadableBuffer", /) -> int:
        with _explained(STANDARD_STREAM):
            written = self._file.write(data)
            self._file.flush()
        return written


class _Disk(io.FileIO):
    """The file under the buffers: only what the disk refuses is told as such."""

    def __init__(self, path: Path, target: Path) -> None:
        self._target = target
        with _explained(target):
            super().__init__(path, "wb")

    def write(self, data: "ReadableBuffer", /) -> int:
        with _explained(self._target):
            return super().write(data)


@contextmanager
def _explained(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        fix = "its reader is gone" if isinstance(error, BrokenPipeError) else "make room, then run again"
        raise InputError(f"cannot write {target}: {error.strerror or error}; {fix}") from error
