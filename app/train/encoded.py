"""Encoded rows on disk: written as they come, checked once, and found again by all that they depend on."""

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path

from accelerate import PartialState
from datasets import Dataset

from app.data.encoding import RowEncoder
from app.engines.chat import load_chat_tokenizer
from app.files import FolderKind, whole_folder
from app.forms import told
from app.jobs.identity import Identity
from app.prompting import PromptLibrary
from app.settings import ROOT
from app.train.examples import Examples, PlacedRow, check_answers, encode_rows
from app.train.recipe import FinetuneConfig

ROWS, ABOUT = "rows.arrow", "about.json"
ENCODED = FolderKind("folder of encoded rows", ABOUT)
KEPT = 8
"""Encodings that stay, the latest used ones."""


def encode_once(rows: Sequence[PlacedRow], config: FinetuneConfig, identity: Identity) -> Examples:
    """The rows as `encode_rows` has them, from `config.encoded_folder` where they are; one process makes them.

    Nothing is held in memory but what is read. The name is a hash of the rows, the settings, the model's revision, the
    prompts, and the program itself: a wrong hit would train on something else in silence.

    Raises:
        SetupError: a template or the disk does not allow it.
        InputError: a row cannot be used.
    """
    place = config.encoded_folder / _name(rows, config, identity)
    with PartialState().local_main_process_first():
        if not (place / ABOUT).is_file():
            with whole_folder(place, ENCODED, overwrite=True) as made:
                _encode(rows, config, made)
            whole = [path for path in config.encoded_folder.iterdir() if (path / ABOUT).is_file()]
            for path in sorted(whole, key=lambda path: path.stat().st_mtime, reverse=True)[KEPT:]:
                shutil.rmtree(path, ignore_errors=True)
    os.utime(place)
    about = json.loads((place / ABOUT).read_text(encoding="utf-8"))
    return Examples(Dataset.from_file(str(place / ROWS)), about["kept"], Counter(about["counts"]))


def _encode(rows: Sequence[PlacedRow], config: FinetuneConfig, folder: Path) -> None:
    tokenizer, prompts = load_chat_tokenizer(config.model), PromptLibrary(config.prompts)
    encoder = RowEncoder(tokenizer, prompts, config.max_length, config.forms)
    examples = encode_rows(rows, encoder, config.answer_weighting, config.too_long, folder / ROWS)
    places = [rows[number].place for number in examples.kept]
    check_answers(examples.data, places, encoder.end_id, config.max_length)
    about = {"kept": examples.kept, "counts": examples.counts}
    (folder / ABOUT).write_text(json.dumps(about), encoding="utf-8")


def _name(rows: Sequence[PlacedRow], config: FinetuneConfig, identity: Identity) -> str:
    digest = hashlib.blake2b(_program(), digest_size=16)
    settings = [config.max_length, config.answer_weighting, config.too_long, told(config.forms)]
    libraries = [version(name) for name in ("datasets", "tokenizers", "transformers")]
    digest.update(json.dumps([identity["model revision"], identity["prompts"], settings, libraries]).encode())
    for placed in rows:
        digest.update(json.dumps(placed.row.to_json()).encode())
    return digest.hexdigest()


@cache
def _program() -> bytes:
    digest = hashlib.blake2b()
    for path in sorted((ROOT / "app").rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.digest()
