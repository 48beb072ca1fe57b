"""Rows as batches of a few shapes, packs in which no row sees another, and the order of an epoch."""

import random
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, chain
from typing import Any

import torch
from datasets import Dataset
from torch import nn
from torch.utils.data import Sampler
from trl.data_utils import pack_dataset
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from app.errors import SetupError
from app.train.examples import IGNORED

PADDING = -1
"""The capability of a token that only fills up its row."""
COLUMNS = (
    ("input_ids", torch.long, None),
    ("labels", torch.long, IGNORED),
    ("weights", torch.float32, 0.0),
    ("capability", torch.long, PADDING),
)


class AnswerCollator:
    """Rows as tensors, with what each token weighs and the capability that it belongs to.

    Rows are filled up on their right and have no attention mask: in a causal model no token sees what comes after it,
    and without a mask attention takes its fastest way. Rows with `seq_lengths` are packs: one sequence in which
    positions begin again at each row, by which the attention keeps rows apart (checked by `refuse_leaks`).
    """

    def __init__(self, pad_id: int, widths: Sequence[int] = ()) -> None:
        """`pad_id` fills up a batch to the next of `widths` (ascending), or to its longest row beyond them."""
        self._pad_id = pad_id
        self._widths = widths
        self._packed = DataCollatorForLanguageModeling(pad_token_id=pad_id, padding_free=True)

    def __call__(self, examples: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Tensors of shape (rows, tokens); packs are one row."""
        if "seq_lengths" in examples[0]:
            batch: dict[str, Any] = self._packed.torch_call(list(examples))
            for name, dtype, _ in COLUMNS[2:]:
                batch[name] = torch.cat([torch.tensor(example[name], dtype=dtype) for example in examples])[None]
            return batch
        width = width_of(max(len(example["input_ids"]) for example in examples), self._widths)
        return {
            name: torch.tensor(
                [
                    [*example[name], *[self._pad_id if filler is None else filler] * (width - len(example[name]))]
                    for example in examples
                ],
                dtype=dtype,
            )
            for name, dtype, filler in COLUMNS
        }


SHAPES = 12
"""Widths of batches in a run: each new one costs a CPU a new plan for every matrix product."""
GRAIN = 8
"""Tokens that a width is a multiple of, at least."""
CANDIDATES = 256


def batch_widths(lengths: Iterable[int], shapes: int = SHAPES) -> tuple[int, ...]:
    """At most `shapes` widths, ascending, that rows of these lengths (tokens) are filled up to with least padding.

    The last one holds the longest row. Exact, by dynamic programming over the multiples of `GRAIN` (of more, where
    rows are longer than `CANDIDATES` of them).
    """
    counts = Counter(lengths)
    grain = GRAIN * -(-max(counts) // (GRAIN * CANDIDATES))
    ends = sorted({-(-length // grain) * grain for length in counts})
    at = Counter[int]()
    for length, count in counts.items():
        at[-(-length // grain) * grain] += count
    below = [0, *accumulate(at[end] for end in ends)]
    # best[last]: the least tokens that all rows up to `ends[last - 1]` take, and the widths that do it.
    best: list[tuple[int, tuple[int, ...]]] = [(0, ()), *((below[-1] * ends[-1] + 1, ()) for _ in ends)]
    for _ in range(min(shapes, len(ends))):
        best = [best[0]] + [
            min(
                (best[first][0] + (below[last] - below[first]) * ends[last - 1], (*best[first][1], ends[last - 1]))
                for first in range(last)
            )
            for last in range(1, len(ends) + 1)
        ]
    return best[-1][1]


def width_of(length: int, widths: Sequence[int]) -> int:
    """The first of `widths` that holds a row of `length` tokens; `length` itself beyond them."""
    place = bisect_left(widths, length)
    return widths[place] if place < len(widths) else length


def padding_share(order: Sequence[int], lengths: Sequence[int], widths: Sequence[int], rows: int) -> float:
    """Share of padding among the tokens that are computed, where `rows` at a time of this order are a batch."""
    batches = [[lengths[place] for place in order[first : first + rows]] for first in range(0, len(order), rows)]
    computed = sum(len(batch) * width_of(max(batch), widths) for batch in batches)
    return 1 - sum(map(sum, batches)) / computed


PROBE_LENGTH = 24
TOLERANCES = {torch.float32: 1e-3, torch.bfloat16: 0.15, torch.float16: 0.05}
"""Largest difference of a token's log-probability (nats) between packed and alone, by number format."""


def pack(data: Dataset, max_length: int, seed: int) -> Dataset:
    """Best fit, longest first, after a shuffle: rows of about `max_length` tokens with their parts' `seq_lengths`.

    No row is cut: none is longer than `max_length`.
    """
    return pack_dataset(data.shuffle(seed=seed, keep_in_memory=True), max_length, "bfd", {"keep_in_memory": True})


@torch.no_grad()
def refuse_leaks(network: nn.Module, vocabulary: int, attention: str) -> None:
    """Compute a row alone and behind two different rows: its probabilities must be the same.

    `network` must have TRL's fused output layer.

    Raises:
        SetupError: the attention implementation lets packed rows see each other.
    """
    rng = random.Random(0)
    rows = [[rng.randrange(vocabulary) for _ in range(PROBE_LENGTH)] for _ in range(3)]
    training = network.training
    network.eval()
    alone = _log_probabilities(network, [rows[0]])
    behind = [_log_probabilities(network, [other, rows[0]]) for other in rows[1:]]
    network.train(training)
    tolerance = TOLERANCES.get(next(network.parameters()).dtype, TOLERANCES[torch.bfloat16])
    worst = max(float((found - alone).abs().max()) for found in behind)
    if not worst <= tolerance:
        raise SetupError(
            f"packing: with attention {attention!r}, packed rows see each other (by {worst:.3f} nats a token); "
            "set packing: false, or attention: sdpa, eager or flash_attention_2"
        )


def _log_probabilities(network: nn.Module, rows: list[list[int]]) -> torch.Tensor:
    """Of the last row's tokens but the first."""
    ids = [index for row in rows for index in row]
    example = {"input_ids": ids, "labels": ids, "weights": [1.0] * len(ids), "capability": [0] * len(ids)}
    batch = AnswerCollator(0)([example | {"seq_lengths": [len(row) for row in rows]}])
    device = next(network.parameters()).device
    inputs = {
        name: value.to(device) if isinstance(value, torch.Tensor) else value
        for name, value in batch.items()
        if name not in ("weights", "capability")
    }
    found: torch.Tensor = network(**inputs, use_cache=False, fused_lm_head=True).log_probs[0]
    return found[-(len(rows[-1]) - 1) :].float()


class EpochOrder(Sampler[int]):
    """A new order for every epoch, the same whenever it is asked for."""

    def __init__(self, rows: int, seed: int, widths: Sequence[int] | None = None, step: int = 1) -> None:
        """With each row's width in `widths`, the `step` rows of a step are of one width.

        Only what is left over of one joins the next, and the epoch's last step may be a smaller one.
        """
        self._rows = rows
        self._seed = seed
        self._widths = widths
        self._step = step
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer at the beginning of each epoch, counted from 0."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._rows

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + self._epoch)
        order = torch.randperm(self._rows, generator=generator).tolist()
        if self._widths is None:
            return iter(order)
        alike: defaultdict[int, list[int]] = defaultdict(list)
        for place in order:
            alike[self._widths[place]].append(place)
        steps: list[list[int]] = []
        left: list[int] = []
        for _, places in sorted(alike.items()):
            left += places
            whole = len(left) - len(left) % self._step
            steps += [left[first : first + self._step] for first in range(0, whole, self._step)]
            left = left[whole:]
        shuffled = [steps[place] for place in torch.randperm(len(steps), generator=generator).tolist()]
        return chain.from_iterable([*shuffled, left])
