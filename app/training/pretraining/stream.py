"""The endless, seeded stream of batches. Any chunk can be drawn again by its number, so a run can resume."""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from app.training.pretraining.encoding import Encoded, Encoder, choose_targets
from app.training.pretraining.examples import Example, format_numbers
from app.training.pretraining.lexical import TitleQuestions
from app.training.pretraining.listing import permute
from app.training.pretraining.settings import DataSettings, OptimizerSettings
from app.training.pretraining.synthetic import GENERATORS
from app.types import TaskType

WIDTH = 32
"""Batches are padded to multiples of so many tokens: few shapes to compile and to tune for."""
TITLE_SHARE = 0.35
"""Share of the generated questions that are about real titles, where there are any."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Padded ids (rows, tokens), and the flat places, labels and weights of what is predicted."""

    ids: torch.Tensor
    places: torch.Tensor
    labels: torch.Tensor
    weights: torch.Tensor


class ExampleStream:
    """Draws examples from the sources and the generators, chunk by chunk."""

    def __init__(self, examples: Sequence[Example], settings: DataSettings, seed: int) -> None:
        """Sources are weighed by their size and the settings."""
        self._by_source: defaultdict[str, list[Example]] = defaultdict(list)
        for example in examples:
            self._by_source[example.source].append(example)
        self._sources = sorted(self._by_source)
        self._weights = [
            len(self._by_source[source]) ** settings.temperature * settings.weights.get(source, 1.0)
            for source in self._sources
        ]
        self._settings = settings
        self._seed = seed
        self._titles = TitleQuestions([example.key for example in examples if example.key])

    def chunk(self, number: int, count: int) -> list[Example]:
        """`count` examples; the same ones for the same number."""
        rng = random.Random(f"{self._seed}/{number}")
        settings = self._settings
        share = settings.first_share if number < settings.first_chunks else settings.synthetic_share
        return [
            self.generated(rng) if rng.random() < share or not self._sources else self._published(rng)
            for _ in range(count)
        ]

    def generated(self, rng: random.Random) -> Example:
        """One generated question."""
        if self._titles.usable and rng.random() < TITLE_SHARE:
            return self._titles.draw(rng)
        generator = rng.choices(list(GENERATORS), list(GENERATORS.values()))[0]
        return generator(rng)

    def _published(self, rng: random.Random) -> Example:
        source = rng.choices(self._sources, self._weights)[0]
        example = rng.choice(self._by_source[source])
        if rng.random() < self._settings.permute_probability:
            return permuted(example, rng)
        return example


def permuted(example: Example, rng: random.Random) -> Example:
    """The example with its list in another order; others as they are."""
    if example.task_type not in (TaskType.MULTIPLE_CHOICE, TaskType.RETRIEVAL):
        return example
    gold = [int(number) for number in example.target.split(",")]
    prompt, moved = permute(example.prompt, gold, rng)
    return replace(example, prompt=prompt, target=format_numbers(moved))


def batches(
    stream: ExampleStream, encoder: Encoder, settings: OptimizerSettings, number: int, seed: int
) -> Iterator[Batch]:
    """The batches of one chunk: rows of like length together, in shuffled order."""
    encoded = sorted(encoder.encode(stream.chunk(number, settings.chunk_examples)), key=len)
    rng = random.Random(f"{seed}/{number}/batches")
    groups: list[list[Encoded]] = []
    for row in reversed(encoded):
        if not groups or (len(groups[-1]) + 1) * _width(groups[-1][0]) > settings.tokens_per_batch:
            groups.append([])
        groups[-1].append(row)
    rng.shuffle(groups)
    for group in groups:
        yield collate(group, settings, encoder.end, rng)


def _width(row: Encoded) -> int:
    return -(-len(row) // WIDTH) * WIDTH


def collate(group: Sequence[Encoded], settings: OptimizerSettings, pad: int, rng: random.Random) -> Batch:
    """Pad on the right: under a causal mask no token sees the padding, so none is needed for it."""
    width = max(map(_width, group))
    ids = torch.full((len(group), width), pad, dtype=torch.long)
    places, labels, weights = [], [], []
    for index, row in enumerate(group):
        tokens = [*row.prompt, *row.answer]
        ids[index, : len(tokens)] = torch.tensor(tokens)
        for place, weight in choose_targets(row, settings.prompt_weight, settings.prompt_fraction, rng):
            places.append(index * width + place)
            labels.append(tokens[place + 1])
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
