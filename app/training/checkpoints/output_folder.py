"""A checkpoint folder that appears whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from app.training.whole_folder import FolderKind, unwritten, whole_folder
from app.training.whole_folder import refuse_to_replace as refuse

CHECKPOINT = FolderKind("checkpoint", "config.json")


@contextmanager
def whole_checkpoint(target: Path, *, overwrite: bool) -> Iterator[Path]:
    """A new folder beside `target` to write into; it takes its place when the block ends well, and goes otherwise.

    Raises:
        SetupError: `target` is there and must not be replaced, is no checkpoint, or the disk takes no more.
    """
    try:
        with whole_folder(target, CHECKPOINT, overwrite=overwrite) as made:
            yield made
            for path in made.rglob("*"):
                # The safetensors library writes files that only their owner may read.
                path.chmod(0o755 if path.is_dir() else 0o644)
    except SafetensorError as error:
        # The library wraps what the system says about a full disk.
        raise unwritten(target, str(error)) from error


def refuse_to_replace(target: Path, *, overwrite: bool) -> None:
    """Say early what `whole_checkpoint` would refuse, before hours of work.

    Raises:
        SetupError: `target` is there and must not be replaced, or is no checkpoint.
    """
    refuse(target, CHECKPOINT, overwrite=overwrite)
