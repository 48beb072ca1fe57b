"""A folder that appears whole or not at all."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from app.errors import SetupError

MANIFEST = "manifest.json"


@contextmanager
def whole_folder(target: Path, *, overwrite: bool) -> Iterator[Path]:
    """A new folder beside `target` to write into; it takes its place when the block ends well, and goes otherwise.

    Raises:
        SetupError: `target` is there and must not be replaced, is no mixture, or the disk takes no more.
    """
    _refuse_to_replace(target, overwrite=overwrite)
    made: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        made = Path(mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        made.chmod(0o755)
        yield made
        _take_place(made, target)
    except OSError as error:
        raise SetupError(f"cannot write {target}: {error.strerror or error}; nothing is left of it") from error
    finally:
        if made is not None:
            shutil.rmtree(made, ignore_errors=True)


def _refuse_to_replace(target: Path, *, overwrite: bool) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise SetupError(f"{target} is a file: name a folder that is not there yet")
    if any(target.iterdir()) and not (target / MANIFEST).is_file():
        raise SetupError(f"{target} holds something else than a mixture: name a folder that is not there yet")
    if not overwrite:
        raise SetupError(f"{target} is there: give --overwrite to replace it, or name another folder")


def _take_place(made: Path, target: Path) -> None:
    if not target.exists():
        made.rename(target)
        return
    old = made / ".replaced"
    target.rename(old)
    try:
        made.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(target / ".replaced", ignore_errors=True)
