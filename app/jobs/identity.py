"""What the answers of a run depend on, in named values; and the keys that answers are found by."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

from app.engines.base import DECODING, Engine, LoadedModel
from app.engines.checkpoint_files import HUB_NAME, check_checkpoint
from app.errors import SetupError
from app.forms import forms_of, told
from app.prompting import TEMPLATE, PromptLibrary
from app.routing import ROUTING
from app.settings import Settings
from app.tasks.base import READING
from app.types import GenerationRequest, OutputConstraint, SamplingParams

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


def answer_key(run: bytes, asked: object) -> bytes:
    """The key of an answer, 16 bytes: the run's digest and all that was asked, a JSON value.

    JSON keeps apart what differs: it says where each text ends, and null from "".
    """
    text = json.dumps(asked, sort_keys=True)
    return hashlib.blake2b(run + text.encode(), digest_size=KEY_BYTES).digest()


def request_key(run: bytes, prompt: str, request: GenerationRequest, doubt: str = "") -> bytes:
    """The key of an answer to a request: the whole prompt, the request but for its id, and what makes it a guess.

    The prompt counts beside the messages, since a prompt that was cut is still read as a whole.
    """
    constraint = request.constraint
    asked: dict[str, object] = {
        "prompt": prompt,
        # A speaker's name stands only where there is one, so that it changes no key of the others.
        "messages": [
            [
                turn.role,
                turn.content,
                *filter(None, [turn.name]),
                *([turn.calls, turn.call_id] if turn.calls or turn.call_id else []),
            ]
            for turn in request.messages
        ],
        "sampling": _named(request.sampling),
        "constraint": None if constraint is None else {"kind": type(constraint).__name__, **_named(constraint)},
        "adapter": request.adapter,
    }
    more = {"raw": request.prompt, "echo": request.echo, "tools": request.tools, "doubt": doubt}
    return answer_key(run, asked | {name: value for name, value in more.items() if value})


def _named(value: SamplingParams | OutputConstraint) -> dict[str, object]:
    """The fields of a plain value by name; one that is added later changes no key where it is left at its default."""
    named = {field.name: (getattr(value, field.name), field.default) for field in fields(value)}
    return {name: given for name, (given, default) in named.items() if given != default}


def _value(identity: Identity, name: str) -> str:
    shown = identity.get("model") if name == "model revision" else None
    return f"{identity[name]} ({shown})" if shown else identity[name]


WHOLE = 256 * 2**20
"""Files up to this many bytes are read whole, larger ones in samples."""
HEAD = 2**20
BLOCK = 2**16
BLOCKS = 256
DIGEST_BYTES = 8

_IGNORED_SUFFIXES = frozenset({".md", ".png", ".lock"})
_IGNORED_NAMES = frozenset({".gitattributes", ".gitignore", "lineage.json"})
"""What git keeps beside the files; and when and where a checkpoint was made, and what was measured on it: made again
elsewhere, it is the same one."""


def checkpoint_revision(model: str) -> str:
    """Sixteen hexadecimal digits that follow the content of a checkpoint's files, not their dates.

    Of a file over 256 MiB, the size, the first MiB (all of a safetensors header, as a rule) and 256 blocks
    spread evenly over the rest are read: training, merging and quantizing change every block, a change by hand
    of a few numbers may go unseen. A hub name stands for its files in the local cache.

    Raises:
        SetupError: there is no such folder, and no such model in the local cache.
    """
    return folder_revision(local_checkpoint(model))


def folder_revision(folder: Path) -> str:
    """As `checkpoint_revision`, for a folder, a checkpoint or an adapter, or for a single file."""
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    inside = folder.iterdir() if folder.is_dir() else [folder]
    files = (path for path in inside if path.is_file() and path.name not in _IGNORED_NAMES)
    for path in sorted(path for path in files if path.suffix not in _IGNORED_SUFFIXES):
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


def local_checkpoint(model: str) -> Path:
    """The folder of a checkpoint; a hub name stands for its files in the local cache.

    Raises:
        SetupError: there is neither such a folder nor such a model in the cache.
    """
    if model and Path(model).is_dir():
        return Path(model)
    if not HUB_NAME.fullmatch(model):
        check_checkpoint(model)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model, local_files_only=True))
    except (HFValidationError, LocalEntryNotFoundError) as error:
        check_checkpoint(model)
        raise SetupError(
            f"no checkpoint at {model!r}: name a folder, or download the model with 'hf download'"
        ) from error


_OF_QUESTIONS = frozenset({"prompts", "template", "routing", "reading", "forms", "task adapters"})
"""What answers to questions depend on only: a conversation goes to the model, and its answer out, as it is."""


def known_identity(settings: Settings) -> Identity:
    """What is known before the engine is loaded of answers that are found by their whole request.

    Of the code, the versions that are raised with each change that matters. Settings such as how much memory is
    used may change between two runs. So may the number format here: "auto" is another one on another machine, and
    the engine says which.

    Raises:
        SetupError: there is no such checkpoint, or a template is bad.
    """
    given = settings.engine_settings
    folders = given.get("adapters")
    named = sorted(folders.items()) if isinstance(folders, Mapping) else ()
    adapters = [f"{name}@{folder_revision(Path(str(path)))}" for name, path in named]
    return {
        "model": settings.model,
        "model revision": checkpoint_revision(settings.model),
        "prompts": PromptLibrary(settings.prompts).fingerprint,
        "template": str(TEMPLATE),
        "routing": str(ROUTING),
        "reading": str(READING),
        "forms": told(forms_of(settings)),
        "engine": settings.engine,
        "decoding": str(DECODING),
        "quantization": str(given.get("quantization") or "auto"),
        "adapters": ", ".join(adapters) or "none",
    }


def loaded_identity(known: Identity, engine: Engine) -> Identity:
    """All of it, once the engine is there."""
    return {**known, "engine version": engine.version, "dtype": engine.dtype}


def served_identity(settings: Settings, engine: LoadedModel, *, questions: bool) -> Identity:
    """What a server's answers depend on, which are found by the lines that asked for them, whether questions or not.

    So it holds what is otherwise part of a request: the context length that prompts are cut to, and the adapter of
    each task type.

    Raises:
        SetupError: as `known_identity`.
    """
    given = settings.engine_settings
    by_type = sorted((task_type.value, adapter) for task_type, adapter in settings.task_adapters.items())
    identity = {
        **known_identity(settings),
        "engine version": engine.version,
        "dtype": str(given.get("dtype") or "auto"),
        "context": str(given.get("max_model_len") or "the checkpoint's"),
        "task adapters": ", ".join(f"{task_type}: {adapter}" for task_type, adapter in by_type) or "none",
    }
    return {name: value for name, value in identity.items() if questions or name not in _OF_QUESTIONS}
