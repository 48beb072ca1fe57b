"""Files that appear whole or not at all."""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TextIO, cast

from app.errors import SetupError
from app.jsonl import dump


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
