"""A folder that appears whole or not at all."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from app.errors import SetupError


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
