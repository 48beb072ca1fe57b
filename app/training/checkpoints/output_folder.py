"""A checkpoint folder that appears whole or not at all."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from safetensors import SafetensorError

from app.errors import SetupError


@contextmanager
def whole_checkpoint(target: Path, *, overwrite: bool) -> Iterator[Path]:
    """A new folder beside `target` to write into; it takes its place when the block ends well, and goes otherwise.

    Raises:
        SetupError: `target` is there and must not be replaced, is no checkpoint, or the disk takes no more.
    """
    refuse_to_replace(target, overwrite=overwrite)
    made: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        made = Path(mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        made.chmod(0o755)
        yield made
        for path in made.rglob("*"):
            # The safetensors library writes files that only their owner may read.
            path.chmod(0o755 if path.is_dir() else 0o644)
        _take_place(made, target)
    except OSError as error:
        raise _unwritten(target, error.strerror or str(error)) from error
    except SafetensorError as error:
        # The library wraps what the system says about a full disk.
        raise _unwritten(target, str(error)) from error
    finally:
        if made is not None:
            shutil.rmtree(made, ignore_errors=True)


def refuse_to_replace(target: Path, *, overwrite: bool) -> None:
    """Say early what `whole_checkpoint` would refuse, before hours of work.

    Raises:
        SetupError: `target` is there and must not be replaced, or is no checkpoint.
    """
    if not target.exists():
        return
    if not target.is_dir():
        raise SetupError(f"{target} is a file: name a folder that is not there yet")
    if any(target.iterdir()) and not (target / "config.json").is_file():
        raise SetupError(f"{target} holds something else than a checkpoint: name a folder that is not there yet")
    if not overwrite:
        raise SetupError(f"{target} is there: give --overwrite to replace it, or name another folder")


def _unwritten(target: Path, reason: str) -> SetupError:
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
