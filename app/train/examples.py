"""Rows as a data set of token ids, and the check that every answer is learnt whole."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
from datasets import Dataset, Features, Value
from datasets import Sequence as Column
from datasets.arrow_writer import ArrowWriter

from app.data.encoding import EncodedRow, RowEncoder
from app.data.own import read_training_rows
from app.data.row import Capability, TrainingRow
from app.errors import InputError, SetupError
from app.files import sha256
from app.routing import route


@dataclass(frozen=True, slots=True)
class PlacedRow:
    """A row and where it stands, for messages."""

    place: str
    row: TrainingRow


@dataclass(frozen=True, slots=True)
class DataFile:
    """What a run says about one of its files."""

    path: str
    sha256: str
    rows: int
    """Rows that the run may use, after the filter by capability."""
    capabilities: dict[str, int]
    task_types: dict[str, int]
    faults: dict[str, int]
    """Rows that were mended or left out, by reason; none of a file that 'shopbench data build' wrote."""


def read_data(paths: Sequence[Path], capabilities: Collection[Capability]) -> tuple[list[PlacedRow], list[DataFile]]:
    """The rows of all files, those of other capabilities left out.

    Raises:
        SetupError: no row is left.
        InputError: a file cannot be read, or holds no row to learn from.
    """
    rows: list[PlacedRow] = []
    files = []
    for path in paths:
        faults: Counter[str] = Counter()
        read = (PlacedRow(place, row) for place, row in read_training_rows(path, faults))
        found = [placed for placed in read if not capabilities or placed.row.capability in capabilities]
        rows += found
        files.append(
            DataFile(
                str(path),
                sha256(path) or "",
                len(found),
                dict(Counter(placed.row.capability.value for placed in found)),
                dict(Counter(placed.row.task_type.value for placed in found)),
                dict(faults),
            )
        )
    if not rows:
        wanted = f" of {', '.join(sorted(capabilities))}" if capabilities else ""
        raise SetupError(f"no rows{wanted} in {', '.join(map(str, paths))}; see 'shopbench data build'")
    return rows, files


IGNORED = -100
"""The label of a token that is not learnt (PyTorch's cross entropy leaves it out)."""
CAPABILITIES = tuple(Capability)
FEATURES = Features(
    {
        "input_ids": Column(Value("int32")),
        "labels": Column(Value("int32")),
        "weights": Column(Value("float32")),
        "capability": Column(Value("int8")),
    }
)
"""Every column has one value a token, so that rows can be packed."""
EXPONENTS = {"token": 0.0, "sqrt": 0.5, "row": 1.0}
"""An answer token weighs the answer's length to minus this."""


@dataclass(slots=True)
class Examples:
    """Encoded rows, and what happened on the way."""

    data: Dataset
    """Columns as in `FEATURES`, a row each."""
    kept: list[int]
    """Which of the rows that were given these are; one stands as often as it has texts to be learnt."""
    counts: Counter[str] = field(default_factory=Counter)
    """Rows by what was done to them."""

    @property
    def tokens(self) -> int:
        """Tokens of all rows."""
        return sum(row_lengths(self.data))


def row_lengths(data: Dataset) -> list[int]:
    """Tokens of each row (of each pack)."""
    return [len(ids) for ids in data.with_format("arrow")["input_ids"]]


def encode_rows(
    rows: Sequence[PlacedRow],
    encoder: RowEncoder,
    weighting: str,
    too_long: Literal["shorten", "drop", "refuse"],
    file: Path | None = None,
) -> Examples:
    """The rows as ids, labels and weights, written to `file` as they come and read from there, or kept in memory.

    A row that leaves no room for its answer even when shortened is dropped and counted.

    Raises:
        InputError: a row is too long and `too_long` is "refuse", or no row is left.
    """
    counts: Counter[str] = Counter()
    kept: list[int] = []
    memory = pa.BufferOutputStream()
    with ArrowWriter(features=FEATURES, path=str(file) if file else None, stream=None if file else memory) as writer:
        for number, placed in enumerate(rows):
            for encoded in _encode(placed, encoder, too_long, counts):
                kept.append(number)
                writer.write(_columns(encoded, EXPONENTS[weighting], CAPABILITIES.index(placed.row.capability)))
        if not kept:
            raise InputError(f"all {len(rows)} rows are too long; raise max_length")
        writer.finalize()
    counts["rows"] = len(kept)
    data = Dataset.from_file(str(file)) if file else Dataset.from_buffer(memory.getvalue())
    return Examples(data, kept, counts)


def check_answers(data: Dataset, places: Sequence[str], end_id: int, max_length: int) -> None:
    """Refuse, before the first step, data in which an answer is missing or cut.

    Raises:
        InputError: naming the first row that has no learnt token, does not end with `end_id`, or is too long.
    """
    for place, row in zip(places, data, strict=True):
        labels, ids = row["labels"], row["input_ids"]
        if len(ids) > max_length:
            raise InputError(f"{place}: {len(ids)} tokens are more than max_length {max_length}; raise it")
        if all(label == IGNORED for label in labels):
            raise InputError(f"{place}: no token of it would be learnt; raise max_length or drop the row")
        if labels[-1] != end_id:
            raise InputError(f"{place}: its answer is cut before its end; raise max_length or drop the row")


def _encode(placed: PlacedRow, encoder: RowEncoder, too_long: str, counts: Counter[str]) -> tuple[EncodedRow, ...]:
    if not placed.row.target.strip():
        raise InputError(f"{placed.place}: its target is empty; drop the row or build the data again")
    if route(placed.row.sample.question).type is not placed.row.task_type:
        counts["served as another task type"] += 1
    try:
        encoded = encoder.encode(placed.row)
    except InputError as error:
        if too_long == "refuse":
            raise InputError(f"{placed.place}: {error}; raise max_length or set too_long: drop") from error
        counts["too long, dropped"] += 1
        return ()
    if not any(one.shortened for one in encoded):
        return encoded
    if too_long == "refuse":
        raise InputError(f"{placed.place} is too long; raise max_length or set too_long: shorten")
    counts["too long, dropped" if too_long == "drop" else "prompt shortened"] += 1
    return () if too_long == "drop" else encoded


def _columns(encoded: EncodedRow, exponent: float, capability: int) -> dict[str, list[Any]]:
    prompt, answer = len(encoded.prompt), len(encoded.answer)
    return {
        "input_ids": [*encoded.prompt, *encoded.answer],
        "labels": [*[IGNORED] * prompt, *encoded.answer],
        "weights": [*[0.0] * prompt, *[answer**-exponent] * answer],
        "capability": [capability] * (prompt + answer),
    }
