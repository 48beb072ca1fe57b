"""The identity of a run, from its settings."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from app.errors import SetupError
from app.predictor import Predictor
from app.prompting import PromptLibrary
from app.settings import Settings
from app.types import GenerationRequest

KEY_BYTES = 16

Identity = Mapping[str, str]
"""Name -> value of everything that all answers of a run depend on: model and its revision, engine and its
version, prompts. The names are shown to people."""

NOT_COMPARED = frozenset({"model"})
"""Shown only: a checkpoint that was moved is the same checkpoint; its revision says so."""


def differences(before: Identity, now: Identity) -> list[str]:
    """What differs, one phrase each, over the names that both know."""
    return [
        f"{name} was {_value(before, name)} and is now {_value(now, name)}"
        for name in before
        if name in now and name not in NOT_COMPARED and before[name] != now[name]
    ]


def identity_digest(identity: Identity) -> bytes:
    """A fingerprint of what is compared."""
    compared = {name: value for name, value in identity.items() if name not in NOT_COMPARED}
    return hashlib.blake2b(json.dumps(compared, sort_keys=True).encode(), digest_size=KEY_BYTES).digest()


def request_key(run: bytes, prompt: str, request: GenerationRequest) -> bytes:
    """The key of an answer, 16 bytes: the run's digest, the whole prompt, and the request but for its id.

    The prompt counts beside the messages, since a prompt that was cut is still read as a whole.
    """
    digest = hashlib.blake2b(run, digest_size=KEY_BYTES)
    parts = [prompt, repr(request.sampling), repr(request.constraint), request.adapter or ""]
    parts += [part for message in request.messages for part in (message.role, message.content)]
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.digest()


def _value(identity: Identity, name: str) -> str:
    shown = identity.get("model", "") if name == "model revision" else ""
    return f"{identity[name]} ({shown})" if shown else identity[name]


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


_NUMERIC_SETTINGS = ("dtype", "quantization")
"""Engine settings that change answers. Others, such as how much memory is used, may change between two runs."""

_ASKING = ("routing.py", "fitting.py", "predictor.py", "prompting.py")
"""What makes a request of a question, besides the tasks."""

_OF_QUESTIONS = frozenset({"prompts", "software", "task adapters"})
"""What answers to questions depend on only: a conversation goes to the model, and its answer out, as it is."""


def settings_identity(settings: Settings) -> Identity:
    """What is known before the engine is loaded.

    Raises:
        SetupError: there is no such checkpoint, or a template is bad.
    """
    given = settings.engine_settings
    identity = {
        "model": settings.model,
        "model revision": checkpoint_revision(settings.model),
        "prompts": PromptLibrary(settings.prompts).fingerprint,
        "engine": settings.engine,
    }
    return (
        identity
        | _adapters(given.get("adapters"))
        | {name: str(given.get(name) or "auto") for name in _NUMERIC_SETTINGS}
    )


def file_identity(settings: Settings) -> Identity:
    """As `settings_identity`, for answers that are kept as they were read: the code that reads them counts too.

    The number format is missing: "auto" is another one on another machine, so the engine says it.

    Raises:
        SetupError: as `settings_identity`.
    """
    known = {name: value for name, value in settings_identity(settings).items() if name != "dtype"}
    return known | {"software": _software()}


def cluster_identity(settings: Settings) -> Identity:
    """As `file_identity`, for answers whose key is made before their prompt is rendered.

    So it holds the context length too, that prompts are cut to.

    Raises:
        SetupError: as `settings_identity`.
    """
    context = settings.engine_settings.get("max_model_len") or "the checkpoint's"
    return {**file_identity(settings), "context": str(context)}


def served_identity(settings: Settings) -> Identity:
    """As `cluster_identity`, for a server, whose stored answers are found by the lines that asked for them.

    So it holds the adapter of each task type too, which is otherwise part of a request.

    Raises:
        SetupError: as `settings_identity`.
    """
    by_type = sorted((task_type.value, adapter) for task_type, adapter in settings.task_adapters.items())
    named = ", ".join(f"{task_type}: {adapter}" for task_type, adapter in by_type)
    dtype = settings.engine_settings.get("dtype") or "auto"
    return {**cluster_identity(settings), "dtype": str(dtype), "task adapters": named or "none"}


def loaded_identity(known: Identity, predictor: Predictor) -> Identity:
    """All of it, once the engine is there."""
    return {**known, "engine version": predictor.engine.version, "dtype": predictor.engine.dtype}


def conversation_identity(known: Identity) -> Identity:
    """What of `known` answers to ready conversations depend on."""
    return {name: value for name, value in known.items() if name not in _OF_QUESTIONS}


def _software() -> str:
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    package = Path(__file__).resolve().parents[1]
    for path in sorted([*(package / "tasks").glob("*.py"), *(package / name for name in _ASKING)]):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _adapters(folders: object) -> dict[str, str]:
    if not isinstance(folders, Mapping):
        return {"adapters": "none"}
    named = [f"{name}@{folder_revision(Path(str(folder)))}" for name, folder in sorted(folders.items())]
    return {"adapters": ", ".join(named) or "none"}
