"""What constraints cost: constrained answers against unconstrained ones with as many tokens, in one run.

Usage: python -m benchmarks.constraints MODEL [--engine vllm] [--requests 300] [--rounds 3]
"""

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from app.engines.base import Engine
from app.engines.loading import create_engine
from app.types import Choice, Copy, GenerationRequest, Message, OutputConstraint, SamplingParams, Selection

TITLE = (
    "Nordlys trekking jacket for women, waterproof shell with taped seams, forest green, size M, "
    "two zipped pockets, packable hood, 420 g, suitable for rain and wind on long walks"
)
KINDS: dict[str, Callable[[int], OutputConstraint]] = {
    "choice": lambda _: Choice(("0", "1", "2", "3")),
    "ranking of 5": lambda _: Selection((1, 2, 3, 4, 5), 5),
    "3 of 15": lambda _: Selection(tuple(range(1, 16)), 3),
    # A source of its own for each request, as in real work: nothing is prepared by the one before.
    "copy": lambda number: Copy(f"{TITLE}, article {number}", 3),
}


def requests(kind: Callable[[int], OutputConstraint], count: int, first: int) -> list[GenerationRequest]:
    return [
        GenerationRequest(
            str(number),
            (Message("user", f"{TITLE}. Question {number}: what is sold?"),),
            SamplingParams(24),
            kind(number),
        )
        for number in range(first, first + count)
    ]


@dataclass(frozen=True)
class Run:
    """Seconds by the clock and of the processor, and the tokens of each answer."""

    seconds: float
    cpu_seconds: float
    tokens: dict[str, int]

    @property
    def cpu_per_token(self) -> float:
        return self.cpu_seconds / sum(self.tokens.values())


def run(engine: Engine, asked: Iterable[GenerationRequest]) -> Run:
    start, cpu_start = time.perf_counter(), time.process_time()
    tokens = {completion.id: completion.output_tokens for completion in engine.generate(asked)}
    return Run(time.perf_counter() - start, time.process_time() - cpu_start, tokens)


def free_requests(lengths: Iterable[int], first: int) -> list[GenerationRequest]:
    """Requests without a constraint that may write as many tokens as others have written."""
    allowed = list(lengths)
    asked = requests(KINDS["choice"], len(allowed), first)
    return [
        replace(request, constraint=None, sampling=SamplingParams(length))
        for request, length in zip(asked, allowed, strict=True)
    ]


def main(
    model: Path,
    engine: str = "vllm",
    requests_: Annotated[int, typer.Option("--requests")] = 300,
    rounds: int = 3,
) -> None:
    loaded = create_engine(engine, model, {})
    run(loaded, requests(KINDS["choice"], 8, 10**6))
    print(f"{engine} {loaded.version}, {requests_} requests, median of {rounds} rounds")
    # Free text may end earlier, so that its tokens bear more of the prompt: compare where the share is near 1.
    print(f"{'kind':14} {'answers/s':>10} {'tokens/s':>10} {'cpu/token':>10} {'share':>6}")
    print(f"{'':14} {'':10} {'':10} {'to free':>10} {'free':>6}")
    first = 0
    for name, kind in KINDS.items():
        rates, speeds, ratios, lengths = [], [], [], []
        for _ in range(rounds):
            constrained = run(loaded, requests(kind, requests_, first))
            # The same prompts a second time would come from the prefix cache: others are asked freely.
            free = run(loaded, free_requests(constrained.tokens.values(), first + requests_))
            first += 2 * requests_
            rates.append(requests_ / constrained.seconds)
            speeds.append(sum(constrained.tokens.values()) / constrained.seconds)
            ratios.append(constrained.cpu_per_token / free.cpu_per_token)
            lengths.append(sum(free.tokens.values()) / sum(constrained.tokens.values()))
        print(
            f"{name:14} {statistics.median(rates):10.0f} {statistics.median(speeds):10.0f} "
            f"{statistics.median(ratios):10.2f} {statistics.median(lengths):6.2f}"
        )
    loaded.close()


if __name__ == "__main__":
    typer.run(main)
