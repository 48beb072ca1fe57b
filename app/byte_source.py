"""Where bytes come from: a file, a compressed file, or standard input."""

import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from app.errors import InputError

STANDARD_STREAM = Path("-")


def is_stream(path: Path) -> bool:
    """Whether this can be read only once: "-", a named pipe, a shell's <(command)."""
    return path == STANDARD_STREAM or path.is_fifo() or path.is_char_device()


@contextmanager
def open_bytes(path: Path) -> Iterator[BinaryIO]:
    """A file's bytes; "-" is standard input, and a name that ends in ".gz" is decompressed.

    Raises:
        InputError: the file cannot be opened or read to its end, also while the caller reads.
    """
    try:
        if path == STANDARD_STREAM:
            with _standard_input() as piped:
                yield piped
        elif path.suffix == ".gz":
            with gzip.open(path, "rb") as compressed:
                yield cast("BinaryIO", compressed)
        else:
            with path.open("rb") as file:
                yield file
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path} is not a whole gzip file: {error}") from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


@contextmanager
def _standard_input() -> Iterator[BinaryIO]:
    """A file of its own: Python cannot end while a thread waits in `sys.stdin.buffer` and holds its lock."""
    try:
        number = sys.stdin.fileno()
    except (AttributeError, io.UnsupportedOperation):  # not a file at all, but a stand-in for one
        yield sys.stdin.buffer
        return
    with open(number, "rb", closefd=False) as file:
        yield file
