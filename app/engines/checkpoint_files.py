"""A checkpoint's files, looked at before any heavy library is loaded: headers and JSON, no numbers."""

import importlib
import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from app.errors import SetupError, first_line
from app.settings import DEFAULT_CHECKPOINT, ROOT

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json")
BESIDE = ("*.json", "*.jinja", "tokenizer.model", "merges.txt")
"""What stands beside the weights and is read when a model is loaded."""
LFS = b"version https://git-lfs"
"""How a file begins that Git LFS keeps elsewhere."""
_SHARD = re.compile(r"-\d{5}-of-(\d{5})\.(safetensors|bin)")
HUB_SECONDS = 10.0
"""How long the hub may take to say whether it has a model."""
LENGTH_BYTES = 8
"""A safetensors file opens with the length of its header, little-endian; the header is JSON, the numbers follow."""
_CANNOT_WRITE = re.compile(
    r"For(SequenceClassification|TokenClassification|MaskedLM|QuestionAnswering|MultipleChoice)$"
)
_EMBEDDING = re.compile(r"(^|\.)(embed_tokens|wte|embed_in|word_embeddings|tok_embeddings)\.weight$")


@dataclass(frozen=True, slots=True)
class TensorHeader:
    """What a safetensors file says of one tensor."""

    dtype: str
    """Its number format, as safetensors names it."""
    shape: tuple[int, ...]


def check_checkpoint(model: str) -> None:
    """Refuse a folder that is not a whole checkpoint, and a name that neither a folder nor a model on the hub has.

    Of models on the Hugging Face hub, nothing else is looked at.

    Raises:
        SetupError: there is neither a folder nor a model of that name; or its configuration, its weights or its
            tokenizer is missing, empty, cut off, a pointer of Git LFS, or no JSON where it should be; or they do not
            fit each other.
    """
    if not model:
        raise SetupError("no checkpoint is named, and none is installed: add --model FOLDER, or set SHOPBENCH_MODEL")
    folder = Path(model)
    if not folder.exists():
        if folder == DEFAULT_CHECKPOINT:
            raise SetupError(
                "no checkpoint is named, and the default one is not made yet: run 'shopbench checkpoint default' once, "
                "or name one with --model FOLDER"
            )
        fix: str | None = "put the weights there, or name another with --model FOLDER"
        close = _checkpoint_called_like(folder)
        if HUB_NAME.fullmatch(model):
            # Where a checkpoint is called almost so, a slip is likelier than a model whose name differs by a letter.
            download = f"download it with 'hf download {model}'"
            in_cache = _in_cache(model)
            fix = (
                None if in_cache else f"if it is a model on the hub, {download}" if close else _ask_hub(model, download)
            )
            if fix is None:
                return
        raise SetupError(f"no checkpoint at {model}: {f'did you mean {close}? Or ' if close else ''}{fix}")
    for what, patterns in (("configuration", ("config.json",)), ("weights", WEIGHTS), ("tokenizer", TOKENIZERS)):
        if not any(found for pattern in patterns for found in folder.glob(pattern)):
            raise SetupError(
                f"{model} holds no {what} ({' or '.join(patterns)}): "
                "complete the checkpoint or set model to another folder"
            )
    for path in sorted({path for pattern in BESIDE for path in folder.glob(pattern) if path.is_file()}):
        _refuse_pointer(path)
        if path.suffix == ".json":
            _json(path)
    config = read_object(folder / "config.json")
    _check_config(folder, config)
    _check_embedding(folder, config, checkpoint_headers(folder))


def _checkpoint_called_like(folder: Path) -> str | None:
    """The name of a checkpoint that is there, where the one that is not is spelt almost so."""
    deep = len(folder.parts) > 1
    above = folder.parent.parent if deep else folder.parent
    there = [
        str(found.parent if above.is_absolute() else found.parent.relative_to(start))
        for start in (Path(), ROOT)
        for found in (start / above).glob("*/*/config.json" if deep else "*/config.json")
    ]
    return next(iter(get_close_matches(str(folder), there, n=1, cutoff=0.8)), None)


def _in_cache(name: str) -> bool:
    try:
        from huggingface_hub import try_to_load_from_cache
    except ModuleNotFoundError:
        return True  # Nothing can be loaded without it: the engine says what is missing.
    return isinstance(try_to_load_from_cache(name, "config.json"), str)


def _ask_hub(name: str, download: str) -> str | None:
    """Why a model cannot be had from the hub, and what to do; None where it can.

    The libraries would ask for each of their files, and each several times, for a minute.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    errors = importlib.import_module("huggingface_hub.errors")  # HTTPError is its HTTP library's, whichever that is
    try:
        get_hf_file_metadata(hf_hub_url(name, "config.json"), timeout=HUB_SECONDS)
    except errors.GatedRepoError:
        return "the hub has it for those only who have accepted its terms: do so there, then 'hf auth login'"
    except errors.RepositoryNotFoundError:
        return "the hub has no such model either, or not for everyone; mend the name, or sign in with 'hf auth login'"
    except (errors.HTTPError, OSError) as error:
        reason = first_line(error)
        return f"it is not in the hub's cache, and the hub cannot be asked ({reason}); mend the name, or {download}"
    return None


def checkpoint_headers(folder: Path) -> dict[str, TensorHeader]:
    """Every tensor of a checkpoint's safetensors files; none where its weights are of PyTorch's own format.

    Raises:
        SetupError: a file is missing, empty, cut off or damaged, or lacks a tensor that the index puts into it.
    """
    headers: dict[str, TensorHeader] = {}
    for path, wanted in _weight_files(folder).items():
        if path.suffix != ".safetensors":
            check_zip(path)
            continue
        found = read_headers(path)
        if lacking := sorted(wanted - found.keys()):
            raise SetupError(
                f"{path} lacks {lacking[0]}, which the index beside it names: files of two checkpoints are mixed; "
                "copy it again"
            )
        headers |= found
    return headers


def _weight_files(folder: Path) -> dict[Path, set[str]]:
    """The files that hold the weights, each with the tensors that an index puts into it."""
    for name in (INDEX, "pytorch_model.bin.index.json"):
        if (folder / name).is_file():
            return indexed_files(folder / name)
    files = sorted(path for pattern in WEIGHTS for path in folder.glob(pattern))
    for path in files:
        if shard := _SHARD.search(path.name):
            raise SetupError(
                f"{path} is one of {int(shard[1])} files and the index that lists them is missing "
                f"({INDEX if shard[2] == 'safetensors' else 'pytorch_model.bin.index.json'}): copy the checkpoint again"
            )
    return {path: set() for path in files}


def indexed_files(index: Path) -> dict[Path, set[str]]:
    """The files that an index names, in order of name, each with the names of its tensors.

    Raises:
        SetupError: it is damaged, or a file that it names is missing.
    """
    places = read_object(index).get("weight_map")
    if not isinstance(places, dict) or not all(isinstance(name, str) for name in places.values()):
        raise SetupError(f"{index} is damaged: it has no weight_map of names; copy the checkpoint again")
    files: dict[Path, set[str]] = {index.parent / name: set() for name in sorted(set(places.values()))}
    for path in files:
        if not path.is_file():
            raise SetupError(f"{index.parent} has no {path.name}, which {index.name} names: complete the checkpoint")
    for tensor, name in places.items():
        files[index.parent / name].add(tensor)
    return files


def read_headers(path: Path) -> dict[str, TensorHeader]:
    """What a safetensors file holds, by name, from its header; its size must be what the header says.

    Raises:
        SetupError: it is missing, empty, cut off, damaged, or a pointer of Git LFS.
    """
    _refuse_pointer(path)
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(LENGTH_BYTES), "little")
            # A length that is no length must not be read into memory.
            text = file.read(length) if LENGTH_BYTES + length <= size else b""
    except OSError as error:
        raise SetupError(f"cannot read {path}: {error.strerror}") from error
    try:
        header: dict[str, Any] = json.loads(text)
        header.pop("__metadata__", None)
        headers = {name: TensorHeader(one["dtype"], tuple(map(int, one["shape"]))) for name, one in header.items()}
        end = max((int(one["data_offsets"][1]) for one in header.values()), default=0)
    except (ValueError, TypeError, KeyError, LookupError, AttributeError) as error:
        raise SetupError(f"{path} is damaged or incomplete (no safetensors header): copy it again") from error
    if (whole := LENGTH_BYTES + length + end) != size:
        raise SetupError(f"{path} is damaged or incomplete ({size:,} bytes of {whole:,}): copy it again")
    return headers


def check_zip(path: Path) -> None:
    """Refuse, with a `SetupError`, one of PyTorch's own files that is cut: zip archives, since 1.6, end with a list."""
    _refuse_pointer(path)
    with path.open("rb") as file:
        packed = file.read(2) == b"PK"
    if packed and not zipfile.is_zipfile(path):
        raise SetupError(f"{path} is damaged or incomplete (its end is missing): copy it again")


def _refuse_pointer(path: Path) -> None:
    """Refuse an empty file, and what Git leaves in the place of a file that Git LFS keeps."""
    try:
        with path.open("rb") as file:
            start = file.read(len(LFS))
    except OSError as error:
        raise SetupError(f"cannot read {path}: {error.strerror}") from error
    if not start:
        raise SetupError(f"{path} is empty: copy it again")
    if start == LFS:
        raise SetupError(f"{path} is a pointer of Git LFS, not the file: run 'git lfs pull' in {path.parent}")


def _json(path: Path) -> Any:  # noqa: ANN401  # any JSON value
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SetupError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise SetupError(f"{path} is not JSON ({error}): copy it again") from error


def read_object(path: Path) -> dict[str, Any]:
    """A file's JSON object.

    Raises:
        SetupError: it cannot be read, is empty or a pointer of Git LFS, or holds something else.
    """
    _refuse_pointer(path)
    values = _json(path)
    if not isinstance(values, dict):
        raise SetupError(f"{path} must hold one JSON object: copy it again")
    return values


def _check_config(folder: Path, config: Mapping[str, Any]) -> None:
    """Refuse, before the libraries fail on it, a configuration that does not say which network it is of."""
    for field, kind in (("model_type", str), ("architectures", list)):
        if not config.get(field) or not isinstance(config[field], kind):
            raise SetupError(
                f"{folder / 'config.json'} has no {field}: take the file that belongs to the weights "
                "(an adapter's or a trainer's own is another one)"
            )
    if _CANNOT_WRITE.search(name := str(config["architectures"][0])):
        raise SetupError(f"{folder} is a {name}, which writes no text: name a checkpoint of a causal language model")


def _check_embedding(folder: Path, config: Mapping[str, Any], headers: Mapping[str, TensorHeader]) -> None:
    """Refuse a configuration whose vocabulary is not the weights'."""
    size = vocabulary_size(config)
    for name, header in headers.items():
        if size is not None and _EMBEDDING.search(name) and len(header.shape) == 2 and header.shape[0] != size:
            raise SetupError(
                f"{folder / 'config.json'} has a vocab_size of {size} and {name} has {header.shape[0]} rows: "
                "take the configuration that belongs to the weights"
            )


def vocabulary_size(config: Mapping[str, Any]) -> int | None:
    """Rows of the embedding, as a configuration has it; None where it does not say."""
    text = config.get("text_config")
    size = config.get("vocab_size") or (text.get("vocab_size") if isinstance(text, dict) else None)
    return size if isinstance(size, int) else None


NO_FLOAT32 = ("gptq", "awq", "compressed-tensors")
"""Ways to pack weights whose kernels compute in 16 bits only, on CPUs too (vLLM 0.32): the last one where the processor
multiplies 8-bit numbers in hardware (AMX)."""


def quantization_method(model: str) -> str | None:
    """How a checkpoint's files say that its weights are packed; None where they do not, and for hub names."""
    packing = _config(model).get("quantization_config")
    return packing.get("quant_method") if isinstance(packing, dict) else None


def format_on_cpu(model: str) -> Literal["float32", "bfloat16"]:
    """The number format in which a CPU computes with a checkpoint, unless told otherwise.

    bfloat16 where the weights are kept in it and the processor multiplies such numbers itself, which takes half the
    time of float32; weights in float16 would lose bits.
    """
    values = _config(model)
    if quantization_method(model) in NO_FLOAT32:
        return "bfloat16"
    kept = values.get("dtype") or values.get("torch_dtype")
    return "bfloat16" if kept == "bfloat16" and multiplies_bfloat16() else "float32"


def multiplies_bfloat16() -> bool:
    """Whether this machine's processor has instructions for bfloat16; others emulate it, slower than float32."""
    import torch

    able = torch.cpu.get_capabilities()
    return bool(able.get("amx_bf16") or able.get("avx512_bf16"))


def _config(model: str) -> dict[str, Any]:
    try:
        values = json.loads((Path(model) / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}
