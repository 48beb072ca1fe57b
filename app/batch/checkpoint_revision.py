"""Which weights answered: a fingerprint of a checkpoint's content, whatever its folder is called."""

import hashlib
from pathlib import Path

from app.errors import SetupError

WHOLE = 256 * 2**20
"""Files up to this many bytes are read whole, larger ones in samples."""
HEAD = 2**20
BLOCK = 2**16
BLOCKS = 256
DIGEST_BYTES = 8

_IGNORED_SUFFIXES = frozenset({".md", ".png", ".lock", ".gitattributes", ".gitignore"})


def checkpoint_revision(model: str) -> str:
    """Sixteen hexadecimal digits that follow the content of a checkpoint's files, not their dates.

    Of a file over 256 MiB, the size, the first MiB (all of a safetensors header, as a rule) and 256 blocks
    spread evenly over the rest are read: training, merging and quantizing change every block, a change by hand
    of a few numbers may go unseen. A hub name stands for its files in the local cache.

    Raises:
        SetupError: there is no such folder, and no such model in the local cache.
    """
    folder = Path(model)
    return folder_revision(folder if folder.is_dir() else _cached(model))


def folder_revision(folder: Path) -> str:
    """As `checkpoint_revision`, for a folder: a checkpoint, or an adapter."""
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    paths = sorted(path for path in folder.iterdir() if path.is_file() and path.suffix not in _IGNORED_SUFFIXES)
    for path in paths:
        digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
        _update(digest, path)
    return digest.hexdigest()


def _update(digest: hashlib.blake2b, path: Path) -> None:
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= WHOLE:
            while chunk := file.read(HEAD):
                digest.update(chunk)
            return
        digest.update(file.read(HEAD))
        for number in range(BLOCKS):
            file.seek(HEAD + (size - HEAD - BLOCK) * number // (BLOCKS - 1))
            digest.update(file.read(BLOCK))


def _cached(model: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model, local_files_only=True))
    except (HFValidationError, LocalEntryNotFoundError) as error:
        raise SetupError(f"no checkpoint at {model!r}: name a folder, or download the model to the cache") from error
