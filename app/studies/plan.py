"""What a study is: its settings, the cells of its grid in the order in which they run, and which answer what."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from app.data.mixing.mixture import MixtureSettings
from app.data.row import Capability
from app.settings import StrictSettings
from app.train.recipe import FinetuneConfig

Ladder = Literal["capabilities", "sub-tasks"]
Arm = Literal["equal", "growing"]
Kind = Literal["base", "adapter", "average", "gates"]
GIVEN = {"model", "train", "validation", "output", "run", "lora", "seed", "device", "time_budget"}
"""Settings of training that the study itself decides."""


class HeldOut(StrictSettings):
    """What no cell is trained on, and every cell is asked."""

    tasks: tuple[str, ...] = Field(min_length=1)
    wordings: tuple[int, ...] = (3,)
    """Of every task, counted from 0: the rows of other tasks that have them."""


class QuestionCounts(StrictSettings):
    """The questions that every cell is asked, shared out evenly among capabilities and then among tasks."""

    seen: PositiveInt = 300
    """Of tasks and wordings that a cell may have been trained on."""
    new_wordings: PositiveInt = 120
    new_tasks: PositiveInt = 140
    longest: PositiveInt = 800
    """Characters of a prompt, at most: what is asked of every cell has to be cheap."""
    longest_answer: PositiveInt = 48
    """Tokens that are written, at most; cells that do not stop by themselves would take minutes."""


class Grid(StrictSettings):
    """Which cells there are. Each is trained on `rows` rows, shared out evenly among its tasks."""

    orders: tuple[tuple[Capability, ...], ...] = Field(min_length=1)
    """Orders in which capabilities are added, each from one to all of them."""
    shares: tuple[float, ...] = ()
    """Parts of each capability's tasks, of all capabilities: 0.25 to 1. The seed decides which come first."""
    ranks: tuple[PositiveInt, ...] = Field(min_length=1)
    seeds: tuple[int, ...] = Field(min_length=1)
    rows: PositiveInt
    """Of a cell in the arm with equal totals, and at the top of the one in which they grow."""
    growing_ranks: tuple[PositiveInt, ...] = ()
    """Ranks of the second arm, in which every capability (every share of tasks) brings rows of its own."""
    transfer_rank: PositiveInt | None = None
    """Rank of the cells that are trained on one capability alone, each in turn."""
    experts_rank: PositiveInt | None = None
    """One adapter of this rank is held against one of its part for each capability, averaged and gated: as many
    parameters, and as many rows."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        members = {tuple(sorted(order)) for order in self.orders}
        if len(members) > 1 or any(len(set(order)) < len(order) for order in self.orders):
            raise ValueError("grid.orders must name the same capabilities, each once")
        if any(not 0 < share <= 1 for share in self.shares):
            raise ValueError("grid.shares lie above 0 and up to 1")
        if self.experts_rank and (self.experts_rank % self.size or self.experts_rank not in self.ranks):
            raise ValueError(f"grid.experts_rank must be one of grid.ranks that {self.size} adapters can share evenly")
        return self

    @property
    def size(self) -> int:
        """Capabilities in all."""
        return len(self.orders[0])


class Expected(StrictSettings):
    """What is reckoned with until cells have been measured."""

    tokens_a_row: PositiveFloat = 120
    train_tokens_a_second: PositiveFloat = 390
    evaluation_seconds: PositiveFloat = 90


@dataclass(frozen=True, slots=True)
class Cell:
    """One training and its evaluation. What it is does not say which questions of the study it helps to answer."""

    kind: Kind
    seed: int = 0
    rank: int = 0
    rows: int = 0
    capabilities: tuple[Capability, ...] = ()
    """Sorted."""
    share: float = 1.0

    @property
    def name(self) -> str:
        """Of its folder and its file."""
        if self.kind == "base":
            return "base"
        letters = "".join(capability.value[0] for capability in self.capabilities)
        kind = "" if self.kind == "adapter" else f"{self.kind}-"
        return f"{kind}seed{self.seed}-rank{self.rank}-rows{self.rows}-{letters}-{round(100 * self.share)}"


@dataclass(frozen=True, slots=True)
class Point:
    """A cell's place in a ladder of diversity."""

    ladder: Ladder
    arm: Arm
    order: int
    """Which of the grid's orders; 0 for sub-tasks."""
    level: float
    """Number of capabilities, or share of the tasks."""
    cell: Cell


class Study(StrictSettings):
    """Everything that a study depends on, besides the data."""

    called: ClassVar[str] = "the study"

    name: str = Field(pattern=r"^[\w.-]+$")
    base: str
    """Folder or hub name of the model that all cells start from."""
    device: Literal["auto", "cpu"] = "auto"
    prompts: Path = Path("prompts")
    work: Path
    """Folder for the pool of rows and what each cell leaves; may be deleted, at the price of making the pool again."""
    results: Path
    """Folder of what is kept: a small file a cell."""
    pool: MixtureSettings
    """Where rows come from: training rows of the cells from its train split, questions from its test split."""
    held_out: HeldOut
    test: QuestionCounts = QuestionCounts()
    training: dict[str, Any] = Field(default_factory=dict)
    """As in a configuration of 'shopbench train', but for what the study decides: model, data, rank, seed, places."""
    grid: Grid
    expected: Expected = Expected()
    worthwhile: PositiveFloat = 0.01
    """The gain of a step of diversity from which on it is worth having: an effect that is surely less is none."""

    @model_validator(mode="after")
    def _training(self) -> Self:
        if given := sorted(GIVEN & self.training.keys()):
            raise ValueError(f"training.{given[0]} is decided by the study: take it out")
        return self

    def recipe(self, cell: Cell, output: Path) -> FinetuneConfig:
        """The settings of a cell's training.

        Raises:
            SetupError: a setting of `training` is wrong.
        """
        values = {
            "model": self.base,
            "train": self.work / "pool" / "train.jsonl",
            "output": output,
            "prompts": self.prompts,
            "device": self.device,
            "seed": cell.seed,
            "lora": {"rank": max(cell.rank, 1)},
            "max_length": 256,
            "too_long": "drop",
        }
        return FinetuneConfig.parse(values | self.training, f"{self.name}, training")

    @cached_property
    def points(self) -> list[Point]:
        """Every cell's places in the ladders; a cell may stand in several."""
        return list(points_of(self.grid))

    @cached_property
    def cells(self) -> list[Cell]:
        """Every cell once, in the order in which they run."""
        return cells_of(self.grid)


def cells_of(grid: Grid) -> list[Cell]:
    """Every cell of a grid once, in the order in which they run: all of one seed before the next.

    Within a seed the order is mixed, so that what is done at any time is a fair part of all; what stands on other
    cells comes last.
    """
    everything = tuple(sorted(grid.orders[0]))
    found = [point.cell for point in points_of(grid)]
    for seed in grid.seeds:
        if grid.transfer_rank:
            found += [Cell("adapter", seed, grid.transfer_rank, grid.rows, (one,)) for one in everything]
        if grid.experts_rank:
            found += experts(grid, seed)
            whole = (seed, grid.experts_rank, grid.rows, everything)
            found += [Cell("average", *whole), Cell("gates", *whole)]
    ordered = sorted(set(found), key=lambda cell: (cell.seed, cell.kind != "adapter", _shuffled(cell.name)))
    return [Cell("base"), *ordered]


def experts(grid: Grid, seed: int) -> list[Cell]:
    """The cells of one capability each whose adapters are joined."""
    everything = sorted(grid.orders[0])
    rank, rows = (grid.experts_rank or 0) // grid.size, grid.rows // grid.size
    return [Cell("adapter", seed, rank, rows, (one,)) for one in everything]


def points_of(grid: Grid) -> Iterator[Point]:
    """Every cell's places in the ladders of a grid; a cell may stand in several."""
    everything = tuple(sorted(grid.orders[0]))
    for arm, ranks in (("equal", grid.ranks), ("growing", grid.growing_ranks)):
        for seed in grid.seeds:
            for rank in ranks:
                for number, order in enumerate(grid.orders):
                    for level in range(1, grid.size + 1):
                        rows = grid.rows if arm == "equal" else grid.rows * level // grid.size
                        cell = Cell("adapter", seed, rank, rows, tuple(sorted(order[:level])))
                        yield Point("capabilities", arm, number, level, cell)  # type: ignore[arg-type]  # of Arm
                for share in grid.shares:
                    rows = grid.rows if arm == "equal" else round(grid.rows * share)
                    yield Point("sub-tasks", arm, 0, share, Cell("adapter", seed, rank, rows, everything, share))  # type: ignore[arg-type]  # of Arm


def _shuffled(name: str) -> str:
    return hashlib.blake2b(name.encode(), digest_size=8).hexdigest()


@dataclass(slots=True)
class Pace:
    """How long cells take: as measured by those that are done, and as expected before."""

    expected: Expected
    train: list[tuple[int, float]] = field(default_factory=list)
    """Rows and seconds."""
    evaluations: list[float] = field(default_factory=list)

    def seconds(self, cell: Cell) -> float:
        """Of a cell, training and evaluation."""
        if self.train:
            a_row = sum(seconds for _, seconds in self.train) / sum(rows for rows, _ in self.train)
        else:
            a_row = self.expected.tokens_a_row / self.expected.train_tokens_a_second
        measured = self.evaluations or [self.expected.evaluation_seconds]
        training = {"base": 0.0, "average": 0.0, "gates": 0.5}.get(cell.kind, 1.0) * cell.rows * a_row
        return training + sum(measured) / len(measured)
