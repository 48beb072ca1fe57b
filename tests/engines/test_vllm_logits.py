"""The logits processor under what vLLM does to a batch: additions, removals, moves, preemption."""

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from vllm.v1.sample.logits_processor import BatchUpdate, MoveDirectionality  # needs vllm

from app.engines.chat import load_chat_tokenizer
from app.engines.vllm.logits import RequestLogitsProcessor  # needs vllm
from app.engines.vllm.values import CONSTRAINT, constraint_to_plain
from app.types import Selection

VOCABULARY_SIZE = 704


@dataclass
class Bench:
    """A processor and what it lets through."""

    processor: RequestLogitsProcessor
    checkpoint: Path
    removed: list[int] = field(default_factory=list)
    added: list[Any] = field(default_factory=list)
    moved: list[Any] = field(default_factory=list)

    def add(self, place: int, numbers: tuple[int, ...] | None, output_ids: list[int]) -> None:
        plain = None if numbers is None else {CONSTRAINT: constraint_to_plain(Selection(numbers, len(numbers)))}
        self.added.append((place, SimpleNamespace(extra_args=plain), [1], output_ids))

    def step(self, size: int) -> list[str]:
        """The one-character tokens that each row may go on with, joined."""
        self.processor.update_state(BatchUpdate(size, self.removed, self.added, self.moved))
        self.removed, self.added, self.moved = [], [], []
        logits = self.processor.apply(torch.zeros(size, VOCABULARY_SIZE))
        pieces = load_chat_tokenizer(str(self.checkpoint)).vocabulary.token_bytes
        rows = []
        for row in logits:
            ids = row.isfinite().nonzero().flatten().tolist()
            free = len(ids) == VOCABULARY_SIZE
            rows.append("any" if free else "".join(sorted(pieces.get(i, b"$").decode() for i in ids)))
        return rows

    def token(self, text: str) -> int:
        return load_chat_tokenizer(str(self.checkpoint)).vocabulary.label_ids(text)[0]


@pytest.fixture
def bench(checkpoint: Path) -> Bench:
    config: Any = SimpleNamespace(model_config=SimpleNamespace(tokenizer=str(checkpoint)))
    return Bench(RequestLogitsProcessor(config, torch.device("cpu"), is_pin_memory=False), checkpoint)


def test_rows_follow_their_requests_through_moves_and_removals(bench: Bench) -> None:
    outputs: list[list[int]] = [[], [], []]
    bench.add(0, (1, 2), outputs[0])
    bench.add(1, None, outputs[1])
    bench.add(2, (3, 4), outputs[2])
    assert bench.step(3) == ["12", "any", "34"]
    outputs[0].append(bench.token("1"))
    outputs[2].append(bench.token("4"))
    assert bench.step(3) == [",", "any", ","]
    bench.moved = [(0, 2, MoveDirectionality.SWAP)]
    outputs[2].append(bench.token(","))
    assert bench.step(3) == ["3", "any", ","]
    # The request at 0 ends; the last one takes its place.
    bench.removed = [0]
    bench.moved = [(2, 0, MoveDirectionality.UNIDIRECTIONAL)]
    outputs[0] += [bench.token(","), bench.token("2")]
    assert bench.step(2) == ["$", "any"]
    # Another takes the freed place, and one without a constraint that of a constrained one.
    bench.add(2, (7,), [])
    bench.add(0, None, [])
    assert bench.step(3) == ["any", "any", "7"]


def test_a_preempted_request_goes_on_where_it_was(bench: Bench) -> None:
    bench.add(0, (1, 2), [bench.token("2"), bench.token(",")])
    assert bench.step(1) == ["1"]


def test_tokens_that_were_taken_back_are_forgotten(bench: Bench) -> None:
    outputs = [bench.token("2"), bench.token(",")]
    bench.add(0, (1, 2), outputs)
    assert bench.step(1) == ["1"]
    del outputs[:]
    assert bench.step(1) == ["12"]
