"""Files that appear whole or not at all."""

import fcntl
import gzip
import io
import json
import os
import shutil
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile, mkdtemp
from typing import Any, BinaryIO, TextIO, cast
from weakref import WeakSet

from app.errors import InputError, SetupError


def refuse_special(path: Path) -> None:
    """Refuse a name that is taken by a folder, a pipe or a device: replacing it would remove it.

    Raises:
        SetupError: something other than a plain file has the name.
    """
    if path.exists() and not path.is_file():
        raise SetupError(f"{path} is no plain file: name a file that may be replaced")


def sync_folder(folder: Path) -> None:
    """Force a folder's names to the disk: a file that was just made or named is there only then.

    Raises:
        OSError: the disk refuses.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def whole_file(path: Path) -> Iterator[TextIO]:
    """A new UTF-8 file beside `path` to write into; it takes its place when the block ends well, and goes otherwise.

    Folders above it are made.

    Raises:
        SetupError: the place cannot be written to, or something other than a plain file has the name.
    """
    refuse_special(path)
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False, prefix=".tmp-") as file:
            temporary = Path(file.name)
            yield cast("TextIO", file)
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        raise SetupError(f"cannot write {path}: {error.strerror}; nothing is left of it") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_whole(path: Path, text: str) -> None:
    """Replace `path` with the text in one step, as `whole_file` does.

    Raises:
        SetupError: as `whole_file`.
    """
    with whole_file(path) as file:
        file.write(text)


def write_lines(path: Path, rows: Iterable[Mapping[str, object]]) -> int:
    """Write JSON lines as `whole_file` does. The number of rows.

    Raises:
        SetupError: as `whole_file`.
    """
    written = 0
    with whole_file(path) as file:
        for row in rows:
            # Half a surrogate pair cannot be written as UTF-8; its JSON escape can.
            file.write(f"{_writable(dump(dict(row)))}\n")
            written += 1
    return written


def _writable(line: str) -> str:
    return "".join(f"\\u{ord(char):04x}" if "\ud800" <= char <= "\udfff" else char for char in line)


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


@dataclass(frozen=True, slots=True)
class FolderKind:
    """What a folder is: its name in messages, and the file by which it is known."""

    name: str
    mark: str


@contextmanager
def whole_folder(target: Path, kind: FolderKind, *, overwrite: bool) -> Iterator[Path]:
    """A new folder beside `target` to write into; it takes its place when the block ends well, and goes otherwise.

    Raises:
        SetupError: `target` is there and must not be replaced, is of another kind, or the disk takes no more.
    """
    refuse_to_replace(target, kind, overwrite=overwrite)
    made: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        made = Path(mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        made.chmod(0o755)
        yield made
        _take_place(made, target)
    except OSError as error:
        raise unwritten(target, error.strerror or str(error)) from error
    finally:
        if made is not None:
            shutil.rmtree(made, ignore_errors=True)


def refuse_to_replace(target: Path, kind: FolderKind, *, overwrite: bool) -> None:
    """Say early what `whole_folder` would refuse, before hours of work.

    Raises:
        SetupError: `target` is there and must not be replaced, or is of another kind.
    """
    if not target.exists():
        return
    if not target.is_dir():
        raise SetupError(f"{target} is a file: name a folder that is not there yet")
    if any(target.iterdir()) and not (target / kind.mark).is_file():
        raise SetupError(f"{target} holds something else than a {kind.name}: name a folder that is not there yet")
    if not overwrite:
        raise SetupError(f"{target} is there: give --overwrite to replace it, or name another folder")


def unwritten(target: Path, reason: str) -> SetupError:
    """What to say where a folder could not be written."""
    return SetupError(f"cannot write {target}: {reason}; nothing is left of it")


def _take_place(made: Path, target: Path) -> None:
    if not target.exists():
        made.rename(target)
        return
    old = Path(mkdtemp(prefix=f".{target.name}.old.", dir=target.parent))
    target.rename(old / "replaced")
    try:
        made.rename(target)
    except OSError:
        (old / "replaced").rename(target)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


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


def dump(row: dict[str, Any]) -> str:
    """One line, readable in every script, without the newline."""
    return json.dumps(row, ensure_ascii=False)
