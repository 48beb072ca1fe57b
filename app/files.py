"""Files and folders that appear whole or not at all, bytes from wherever they come, and what they are known by.

The rule, for both: write beside the place, force it to the disk, rename, force the name to the disk. Whatever ends
that early, an error, Ctrl-C or an exit, removes what was written and leaves what had the name.
"""

import gzip
import hashlib
import io
import json
import math
import os
import secrets
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from app.errors import InputError, SetupError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

STANDARD_STREAM = Path("-")
MOST_LINKS = 40
"""One behind another, as Linux has it: a circle must end."""

Told = Callable[[Path, OSError], Exception]
"""What is raised where the disk refuses to take a file."""


def unwritten(path: Path, error: OSError) -> SetupError:
    """What to say where something could not be written."""
    end = "its reader is gone" if isinstance(error, BrokenPipeError) else "nothing is left of it"
    return SetupError(f"cannot write {path}: {error.strerror or error}; {end}")


@contextmanager
def _telling(path: Path, told: Told | None) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if told is None:
            raise
        raise told(path, error) from error


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
def whole_file(
    path: Path, *, keep: Callable[[], bool] = lambda: True, partial: Path | None = None, told: Told | None = unwritten
) -> Iterator[BinaryIO]:
    """A new file beside `path` to write into; it takes its place when the block ends well, and goes otherwise.

    A link stays, and the file behind it is replaced; folders above it are made. A name that ends in ".gz" is
    compressed, without name and date in it, so that equal content makes equal files. "-" is standard output, where
    bytes appear as they come.

    Args:
        path: the file's name.
        keep: asked when the block has ended well: whether the file is to appear.
        partial: its name until then, for callers that hold a lock on it: what a killed run left there is replaced.
            By default a name that nobody else has.
        told: makes the error where the disk refuses; None passes the `OSError` on. What the block itself raises is
            passed on as it is.

    Raises:
        SetupError: something other than a plain file has the name, or as `told` says.
    """
    if path == STANDARD_STREAM:
        yield cast("BinaryIO", _AtOnce(sys.stdout.buffer, told))
        return
    target = real_path(path)
    if target.exists() and not target.is_file():
        # A folder, a pipe or a device: replacing it would remove it.
        raise SetupError(f"{target} is no plain file: name a file that may be replaced")
    partial = partial or _beside(target)
    try:
        with _telling(path, told):
            target.parent.mkdir(parents=True, exist_ok=True)
        with io.BufferedWriter(_Disk(partial, path, told)) as file:
            packed = gzip.GzipFile("", "wb", fileobj=file, mtime=0) if is_packed(target) else nullcontext(file)
            with packed as writable:
                yield cast("BinaryIO", writable)
            file.flush()
            with _telling(path, told):
                os.fsync(file.fileno())
        if keep():
            with _telling(path, told):
                partial.replace(target)
                sync_folder(target.parent)
    finally:
        with suppress(OSError):
            partial.unlink()


def _beside(target: Path) -> Path:
    return target.with_name(f".tmp-{secrets.token_hex(8)}")


class _Disk(io.FileIO):
    """The file under the buffers: only what the disk refuses is told as such."""

    def __init__(self, path: Path, target: Path, told: Told | None) -> None:
        self._target, self._told = target, told
        with _telling(target, told):
            super().__init__(path, "wb")

    def write(self, data: "ReadableBuffer", /) -> int:
        with _telling(self._target, self._told):
            return super().write(data)


class _AtOnce(io.RawIOBase):
    """Standard output without a buffer: whoever reads it sees a row when it is there."""

    def __init__(self, file: BinaryIO, told: Told | None) -> None:
        self._file, self._told = file, told

    def writable(self) -> bool:
        return True

    def write(self, data: "ReadableBuffer", /) -> int:
        with _telling(STANDARD_STREAM, self._told):
            written = self._file.write(data)
            self._file.flush()
        return written


def write_whole(path: Path, content: str | bytes, *, told: Told | None = unwritten) -> None:
    """Replace `path` with the content in one step. Text becomes UTF-8. Errors as `whole_file`."""
    with whole_file(path, told=told) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def write_lines(path: Path, rows: Iterable[Mapping[str, object]]) -> int:
    """Write JSON lines as `whole_file` does; the number of rows. Errors as there."""
    written = 0
    with whole_file(path) as file:
        for row in rows:
            # Half a surrogate pair cannot be written as UTF-8; its JSON escape can, and is Python's too.
            file.write(f"{dump(dict(row))}\n".encode(errors="backslashreplace"))
            written += 1
    return written


def dump(value: object, default: Callable[[object], object] | None = None, indent: int | None = None) -> str:
    """JSON readable in every script, in one line unless indented. NaN and infinities, no words of JSON, are null.

    `default` makes something else of what JSON cannot hold.
    """
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=default, indent=indent)
    except ValueError:
        return json.dumps(_finite(value), ensure_ascii=False, default=default, indent=indent)


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _finite(part) for name, part in value.items()}
    return [_finite(part) for part in value] if isinstance(value, list | tuple) else value


def encodable(text: str) -> str:
    """The text with lone surrogates, which JSON can carry and UTF-8 cannot, as the replacement character."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


@dataclass(frozen=True, slots=True)
class FolderKind:
    """What a folder is: its name in messages, and the file by which it is known."""

    name: str
    mark: str


@contextmanager
def whole_folder(target: Path, kind: FolderKind, *, overwrite: bool | None) -> Iterator[Path]:
    """A new folder beside `target` to write into; it takes its place when the block ends well, and goes otherwise.

    A link stays, and the folder behind it is replaced. The files get the permissions that new files have, whatever a
    library gave them. `overwrite` is as for `refuse_to_replace`.

    Raises:
        SetupError: `target` is there and must not be replaced, is of another kind, or the disk takes no more.
    """
    refuse_to_replace(target, kind, overwrite=overwrite)
    target = real_path(target)
    made = _beside(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        made.mkdir()
        yield made
        _sync_tree(made)
        _take_place(made, target)
    except OSError as error:
        raise unwritten(target, error) from error
    finally:
        shutil.rmtree(made, ignore_errors=True)


def refuse_to_replace(target: Path, kind: FolderKind, *, overwrite: bool | None) -> None:
    """Say early what `whole_folder` would refuse, before hours of work. An empty folder may always be replaced.

    Args:
        target: the folder's name.
        kind: what may be replaced.
        overwrite: whether the user asked for that; None where it cannot be asked for.

    Raises:
        SetupError: `target` is there and must not be replaced, or is of another kind.
    """
    if not target.exists():
        return
    if not target.is_dir():
        raise SetupError(f"{target} is a file: name a folder that is not there yet")
    if not any(target.iterdir()):
        return
    if not (target / kind.mark).is_file():
        raise SetupError(f"{target} holds something else than a {kind.name}: name a folder that is not there yet")
    if not overwrite:
        fix = "remove it" if overwrite is None else "give --overwrite to replace it"
        raise SetupError(f"{target} is there: {fix}, or name another folder")


def _sync_tree(folder: Path) -> None:
    permissions = folder.stat().st_mode
    for place, _, names in os.walk(folder):
        for path in (Path(place, name) for name in names):
            path.chmod(permissions & 0o666)
            with path.open("rb") as file:
                os.fsync(file.fileno())
        sync_folder(Path(place))


def _take_place(made: Path, target: Path) -> None:
    if target.exists():
        old = _beside(target)
        try:
            target.rename(old)
            made.rename(target)
        except BaseException:  # an interruption too must leave the old one
            if not target.exists():
                old.rename(target)
            raise
        shutil.rmtree(old, ignore_errors=True)
    else:
        made.rename(target)
    sync_folder(target.parent)


def is_packed(path: Path) -> bool:
    """Whether a file's name says that it is compressed by gzip."""
    return path.suffix.lower() == ".gz"


def refuse_overwrite(source: Path, target: Path) -> None:
    """Refuse an output that is the input, by whatever name, or lies inside it: it would be gone, or be read as input.

    Raises:
        InputError: it is.
    """
    if STANDARD_STREAM in (source, target) or not source.exists():
        return
    inside = source.is_dir() and target.resolve().is_relative_to(source.resolve())
    if inside or (target.exists() and target.samefile(source)):
        where = "lie inside" if inside else "overwrite"
        raise InputError(f"{target} would {where} the input {source}: name another output")


def is_stream(path: Path) -> bool:
    """Whether this can be read only once: "-", a named pipe, a shell's <(command)."""
    return path == STANDARD_STREAM or path.is_fifo() or path.is_char_device()


@contextmanager
def open_bytes(path: Path) -> Iterator[io.BufferedReader]:
    """A file's bytes; "-" is standard input; what is compressed by gzip, or says so by its name, is decompressed.

    Raises:
        InputError: the file cannot be opened or read to its end, also while the caller reads.
    """
    try:
        with _standard_input() if path == STANDARD_STREAM else path.open("rb") as file:
            packed = is_packed(path) or file.peek(2)[:2] == b"\x1f\x8b"
            yield cast("io.BufferedReader", gzip.GzipFile(fileobj=file)) if packed else file
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path} is not a whole gzip file: {error}") from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


@contextmanager
def _standard_input() -> Iterator[io.BufferedReader]:
    """A file of its own: Python cannot end while a thread waits in `sys.stdin.buffer` and holds its lock."""
    try:
        number = sys.stdin.fileno()
    except (AttributeError, io.UnsupportedOperation):  # not a file at all, but a stand-in for one
        yield io.BufferedReader(cast("io.RawIOBase", sys.stdin.buffer))
        return
    with open(number, "rb", closefd=False) as file:
        yield file


def sha256(path: Path) -> str | None:
    """Hexadecimal digest of a file; None for a folder."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def git_revision(checkout: Path) -> str | None:
    """`git describe --always --dirty` of a checkout, or None where the folder is none or there is no git."""
    if not (checkout / ".git").exists():
        return None
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command
            ["git", "-C", str(checkout), "describe", "--always", "--dirty"],  # noqa: S607 - git is found on the path
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
