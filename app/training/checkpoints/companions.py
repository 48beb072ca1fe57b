"""The files that a checkpoint needs beside its weights."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.errors import InputError

CONFIG = "config.json"
GENERATION = "generation_config.json"
TRAINING = "training.json"
PATTERNS = (
    "tokenizer*",
    "vocab*",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template*",
    "additional_chat_templates/*",
    "*.model",
)


def read_config(folder: Path) -> dict[str, Any]:
    """A checkpoint's `config.json`.

    Raises:
        InputError: it is missing or not a JSON object.
    """
    path = folder / CONFIG
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{folder} is no checkpoint: it has no {CONFIG}") from error
    except ValueError as error:
        raise InputError(f"{path} is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise InputError(f"{path} must hold one JSON object")
    return values


def copy_companions(source: Path, target: Path, config: Mapping[str, object] | None = None) -> None:
    """Carry over configuration, decoding settings, tokenizer, chat template and the record of the training.

    Args:
        source: the checkpoint that they come from.
        target: the folder that gets them.
        config: fields of `config.json` that change; None removes one.
    """
    copy_tokenizer(source, target)
    values = read_config(source)
    for name, value in (config or {}).items():
        values.pop(name, None)
        if value is not None:
            values[name] = value
    write_json(target / CONFIG, values)
    if (source / GENERATION).is_file():
        shutil.copyfile(source / GENERATION, target / GENERATION)
    else:
        ends = {name: values[name] for name in ("eos_token_id", "pad_token_id") if values.get(name) is not None}
        write_json(target / GENERATION, {"do_sample": False, **ends})
    if (source / TRAINING).is_file():
        shutil.copyfile(source / TRAINING, target / TRAINING)


def copy_tokenizer(source: Path, target: Path) -> None:
    """Carry over the tokenizer's files and the chat template."""
    for pattern in PATTERNS:
        for path in sorted(source.glob(pattern)):
            if path.is_file():
                place = target / path.relative_to(source)
                place.parent.mkdir(exist_ok=True)
                shutil.copyfile(path, place)


def write_json(path: Path, values: Mapping[str, object]) -> None:
    """Write an object for people and programs."""
    path.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def dtype_fields(source: Mapping[str, Any], dtype: str) -> dict[str, object]:
    """The fields of `config.json` that name the number format, under the names that the file has them by."""
    names = [name for name in ("dtype", "torch_dtype") if name in source] or ["dtype"]
    return dict.fromkeys(names, dtype)
