"""A file that one run holds at a time."""

import fcntl
import os
from pathlib import Path
from typing import BinaryIO
from weakref import WeakSet

_HELD: WeakSet[BinaryIO] = WeakSet()


def lock_file(path: Path) -> BinaryIO:
    """The file under this name, open for appending, unbuffered, and locked until it is closed.

    Forked children do not hold it: in them it is closed.

    Raises:
        BlockingIOError: another run holds it.
        OSError: it cannot be opened.
    """
    while True:
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644), "r+b", buffering=0)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            raise
        # The run that held it may have removed it between the two calls.
        if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
            _HELD.add(file)
            return file
        file.close()


def _let_go() -> None:
    """A worker of the engine that outlives a killed run must not keep the next run out."""
    for file in list(_HELD):
        file.close()


os.register_at_fork(after_in_child=_let_go)
