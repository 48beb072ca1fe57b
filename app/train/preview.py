"""A run before it is made: its rows read, checked and encoded as the run does it, and a few as the model sees them."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from app.data.encoding import RowEncoder
from app.data.own import told
from app.engines.chat import ChatTokenizer, load_chat_tokenizer
from app.prompting import PromptLibrary
from app.train.examples import IGNORED, DataFile, Examples, PlacedRow, check_answers, encode_rows, read_data
from app.train.recipe import FinetuneConfig
from app.types import TaskType

SHOWN = 3
"""Rows that are shown, of different types where there are."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A row as the model is taught it, special tokens included."""

    place: str
    task_type: TaskType
    prompt: str
    answer: str
    """What is learnt, with the token that ends it."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a run would do."""

    lines: list[str]
    rows: list[Shown]


def preview(config: FinetuneConfig) -> Preview:
    """Read, check and encode what a run would, and write nothing.

    Raises:
        SetupError: as the run, as far as it needs no network: a file, the model's tokenizer, a template.
        InputError: as the run.
    """
    config.refuse_missing_reporters()
    tokenizer = load_chat_tokenizer(config.model)
    encoder = RowEncoder(tokenizer, PromptLibrary(config.prompts), config.max_length, config.forms)
    lines: list[str] = []
    shown: list[Shown] = []
    with TemporaryDirectory() as folder:
        for name, paths in (("training", config.train), ("validation", config.validation)):
            if not paths:
                continue
            rows, files = read_data(paths, config.capabilities)
            examples = encode_rows(rows, encoder, config.answer_weighting, config.too_long, Path(folder) / name)
            places = [rows[number].place for number in examples.kept]
            check_answers(examples.data, places, encoder.end_id, config.max_length)
            counted = ", ".join(f"{count:,} {what}" for what, count in examples.counts.items())
            lines += [*map(_about, files), f"{name}: {counted}, {examples.tokens:,} tokens"]
            if name == "training":
                lines.append(_steps(config, len(examples.kept)))
                shown = list(_shown(tokenizer, rows, examples))
    return Preview(lines, shown)


def _about(file: DataFile) -> str:
    types = ", ".join(f"{n:,} {kind}" for kind, n in sorted(file.task_types.items()))
    return f"{file.path}: {types}" + (f"; {told(file.faults)}" if file.faults else "")


def _steps(config: FinetuneConfig, rows: int) -> str:
    optimizer = config.optimizer
    at_once = optimizer.batch_size * optimizer.accumulation
    if config.packing:
        return f"steps of {at_once:,} packs of {config.max_length:,} tokens"
    an_epoch = math.ceil(math.ceil(rows / optimizer.batch_size) / optimizer.accumulation)
    steps = optimizer.steps or math.ceil(an_epoch * optimizer.epochs)
    return f"{steps:,} steps of {at_once:,} rows on one process, {steps / an_epoch:.2f} epochs"


def _shown(tokenizer: ChatTokenizer, rows: Sequence[PlacedRow], examples: Examples) -> Iterator[Shown]:
    """The first row of each type, then the first of the others; in the file's order."""
    first: dict[TaskType, int] = {}
    for number, row in enumerate(examples.kept):
        first.setdefault(rows[row].row.task_type, number)
    chosen = [*first.values(), *(number for number in range(len(examples.kept)) if number not in first.values())]
    for number in sorted(chosen[:SHOWN]):
        placed, values = rows[examples.kept[number]], examples.data[number]
        ids = values["input_ids"]
        start = next(place for place, label in enumerate(values["labels"]) if label != IGNORED)
        prompt, answer = (tokenizer.tokenizer.decode(part) for part in (ids[:start], ids[start:]))
        yield Shown(placed.place, placed.row.task_type, prompt, answer)
