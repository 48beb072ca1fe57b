"""The endless, seeded stream of batches. Any chunk can be drawn again by its number, so a run can resume."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import torch

from app.errors import InputError
from app.tasks.registry import task_of
from app.training.pretraining.drills import Drills
from app.training.pretraining.encoding import Encoded, Encoder
from app.training.pretraining.listing import permute, unnumbered
from app.training.pretraining.settings import DataSettings, OptimizerSettings
from app.training.row import TrainingRow
from app.types import TaskType

WIDTH = 32
"""Batches are padded to multiples of so many tokens: few shapes to compile and to tune for."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Padded ids (rows, tokens), and the flat places, labels and weights of what is predicted."""

    ids: torch.Tensor
    places: torch.Tensor
    labels: torch.Tensor
    weights: torch.Tensor


class RowStream:
    """Rows in a new order each epoch, and pages of drills between them."""

    def __init__(self, rows: Sequence[TrainingRow], encoder: Encoder, settings: DataSettings, seed: int) -> None:
        """Drills take their words from the rows' prompts."""
        self._rows = rows
        self._encoder = encoder
        self._settings = settings
        self._seed = seed
        self.without_room = 0
        """Rows drawn since the start that do not fit into the length."""
        self._drills = Drills([unnumbered(line) for row in rows for line in row.prompt.splitlines()])

    def chunk(self, number: int, count: int) -> list[Encoded]:
        """`count` rows and pages, less those that there is no room for; the same ones for the same number."""
        rng = random.Random(f"{self._seed}/{number}")
        first = number < self._settings.first_chunks
        drawn = [self._draw(number * count + place, rng, first=first) for place in range(count)]
        return [encoded for encoded in drawn if encoded is not None and encoded.asked]

    def _draw(self, place: int, rng: random.Random, *, first: bool) -> Encoded | None:
        share = self._settings.first_drill_share if first else self._settings.drill_share
        if self._drills.usable and rng.random() < share:
            return self._encoder.page(self._drills.draw_first(rng) if first else self._drills.draw(rng))
        try:
            return self._encoder.row(self._row(place, rng))
        except InputError:
            # Instructions and answer alone exceed the length, or the list cannot be shortened.
            self.without_room += 1
            return None

    def _row(self, place: int, rng: random.Random) -> TrainingRow:
        epoch, index = divmod(place, len(self._rows))
        row = self._rows[_order(self._seed, epoch, len(self._rows))[index]]
        return permuted(row, rng) if rng.random() < self._settings.permute_probability else row


@lru_cache(maxsize=2)
def _order(seed: int, epoch: int, rows: int) -> list[int]:
    order = list(range(rows))
    random.Random(f"{seed}/epoch {epoch}").shuffle(order)
    return order


def permuted(row: TrainingRow, rng: random.Random) -> TrainingRow:
    """The row with its list in another order; rows of the other types as they are."""
    gold = row.gold
    if row.task_type is TaskType.MULTIPLE_CHOICE and isinstance(gold, int):
        prompt, (moved,) = permute(row.prompt, [gold], rng)
        return replace(row, prompt=prompt, gold=moved, target=task_of(row.task_type).format_target(moved))
    if row.task_type is TaskType.RETRIEVAL and isinstance(gold, list):
        prompt, numbers = permute(row.prompt, gold, rng)
        return replace(row, prompt=prompt, gold=numbers, target=task_of(row.task_type).format_target(numbers))
    return row


def batches(stream: RowStream, settings: OptimizerSettings, number: int, pad: int, seed: int) -> Iterator[Batch]:
    """The batches of one chunk: rows of like length together, in shuffled order."""
    encoded = sorted(stream.chunk(number, settings.chunk_examples), key=len)
    rng = random.Random(f"{seed}/{number}/batches")
    groups: list[list[Encoded]] = []
    for row in reversed(encoded):
        if not groups or (len(groups[-1]) + 1) * _width(groups[-1][0]) > settings.tokens_per_batch:
            groups.append([])
        groups[-1].append(row)
    rng.shuffle(groups)
    for group in groups:
        yield collate(group, settings, pad, rng)


def _width(row: Encoded) -> int:
    return -(-len(row) // WIDTH) * WIDTH


def collate(group: Sequence[Encoded], settings: OptimizerSettings, pad: int, rng: random.Random) -> Batch:
    """Pad on the right: under a causal mask no token sees the padding, so none is needed for it."""
    width = max(map(_width, group))
    ids = torch.full((len(group), width), pad, dtype=torch.long)
    places, labels, weights = [], [], []
    for index, row in enumerate(group):
        ids[index, : len(row)] = torch.tensor(row.tokens)
        for place, weight in row.targets(settings.prompt_weight, settings.prompt_fraction, rng):
            places.append(index * width + place)
            labels.append(row.tokens[place + 1])
            weights.append(weight)
    return Batch(ids, torch.tensor(places), torch.tensor(labels), torch.tensor(weights))


def split(batch: Batch, parts: int) -> list[Batch]:
    """The batch's rows in at most `parts` batches, none of them empty, in order."""
    rows, width = batch.ids.shape
    parts = min(parts, rows)
    pieces = []
    for part in range(parts):
        first, last = rows * part // parts, rows * (part + 1) // parts
        inside = (batch.places >= first * width) & (batch.places < last * width)
        places = batch.places[inside] - first * width
        pieces.append(Batch(batch.ids[first:last], places, batch.labels[inside], batch.weights[inside]))
    return pieces
