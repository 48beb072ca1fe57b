"""Data sets on the Hugging Face hub, streamed by the `datasets` library."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from app.errors import InputError, SetupError
from app.training.sources.raw_row import RawRow

PREFIX = "hf:"
FORM = "hf:owner/name[:config][:split]"
_SPLIT = "train"


@dataclass(frozen=True, slots=True)
class HubName:
    """A data set's name on the hub (or a local folder of such files), its configuration and its split."""

    name: str
    config: str = ""
    split: str = ""


def is_hub_name(place: Path) -> bool:
    """Whether a place is a data set on the hub rather than a file or a folder."""
    return str(place).startswith(PREFIX)


def parse_hub_name(text: str) -> HubName:
    """The parts of "hf:owner/name[:config][:split]"; an empty configuration ("hf:owner/name::test") is the default.

    Raises:
        SetupError: it has another form.
    """
    parts = text.removeprefix(PREFIX).split(":")
    if not text.startswith(PREFIX) or not parts[0].strip() or len(parts) > 3:
        raise SetupError(f"not a data set's name: {text!r}; write {FORM}")
    return HubName(*parts)


def read_hub(text: str) -> Iterator[RawRow]:
    """The rows of a data set on the hub, as they arrive.

    Without a split, "train" is read, or the only split that there is.

    Raises:
        SetupError: `datasets` is not installed, or the name has another form.
        InputError: the data set, its configuration or its split is not there, or cannot be read.
    """
    wanted = parse_hub_name(text)
    try:
        library = import_module("datasets")
    except ImportError as error:
        raise SetupError(f"{text} needs the datasets library: pip install 'shopbench[train]'") from error
    failures = (OSError, ValueError, RuntimeError, library.exceptions.DatasetsError)
    try:
        found = library.load_dataset(wanted.name, wanted.config or None, streaming=True)
        rows = _split(found, wanted.split, text)
        for number, values in enumerate(rows, start=1):
            yield RawRow(f"{text}, row {number}", values)
    except failures as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(f"cannot read {text}: {reason[0]}; name it as {FORM}, or use local files") from error


def _split(found: Any, split: str, text: str) -> Any:  # noqa: ANN401 - the library brings no types
    names = list(found)
    chosen = split or (_SPLIT if _SPLIT in names else names[0] if len(names) == 1 else "")
    if chosen not in names:
        raise InputError(f"{text} has the splits {', '.join(names)}: name one of them ({FORM})")
    return found[chosen]
