"""What a study keeps: a small file a cell, and one that says what was asked. Everything else can be made again."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import Literal

from app.errors import SetupError
from app.evaluation.schema import Record
from app.files import dump, write_whole
from app.jobs.identity import differences
from app.studies.plan import Cell, Grid, Kind, Pace, Study
from app.studies.pool import FixedQuestion

ABOUT = "study.json"


class Group(Record):
    """The mean over some tasks of the questions."""

    score: float
    low: float | None
    """Of the 95 % interval over questions."""
    high: float | None
    tasks: int
    questions: int


class Training(Record):
    """How a cell's adapter came about."""

    rows: int
    sha256: str
    """Of the rows."""
    examples: int
    """Texts that are learnt: a row with several right options is several."""
    tokens: int
    steps: int
    seconds: float
    trained_parameters: int
    first_loss: float
    """Nats an answer token over the first steps."""
    last_loss: float
    threads: int
    precision: str


class CellResult(Record):
    """All that is kept of a cell."""

    kind: Kind
    seed: int
    rank: int
    rows: int
    capabilities: list[str]
    share: float
    tasks: list[str]
    pool: str
    """SHA-256 of the pool's training rows."""
    training: Training | None
    """None where nothing was trained."""
    groups: dict[str, Group]
    text_loss: float | None
    """Nats a token of general English; None where several networks answer."""
    scores: list[float | None]
    """Of the questions, in the order of the study's file."""
    evaluation_seconds: float
    revision: str | None


class AskedQuestion(Record):
    """A question by what it is there for; its text stays in the data."""

    id: str
    task: str
    stratum: str
    capability: str
    task_type: str
    metric: str


class About(Record):
    """What all cells of a study share."""

    schema_version: Literal[1] = 1
    name: str
    identity: dict[str, str]
    grid: Grid
    worthwhile: float
    questions: list[AskedQuestion]


class Results:
    """The folder of a study's results."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def about(self) -> About:
        """What the study is.

        Raises:
            InputError: there are no results yet, or of another version.
        """
        return About.from_file(
            self.folder / ABOUT, f"{self.folder} holds no study", "start it with 'shopbench study run'"
        )

    @property
    def begun(self) -> bool:
        """Whether anything is there."""
        return (self.folder / ABOUT).is_file()

    def begin(self, study: Study, identity: dict[str, str], questions: Sequence[FixedQuestion]) -> None:
        """Write down what all cells share, or hold it to what is there. The grid may grow and shrink.

        Raises:
            SetupError: something else that the scores depend on has changed.
        """
        if self.begun and (changed := differences(self.about().identity, identity)):
            raise SetupError(
                f"{self.folder} holds cells of another study: {'; '.join(changed)}. Set it back, or give 'results' "
                "another folder"
            )
        asked = [
            AskedQuestion(
                id=one.sample.question.id,
                task=one.sample.task_name.partition(",")[0],
                stratum=one.stratum,
                capability=one.capability,
                task_type=one.sample.task_type.value,
                metric=one.sample.metric,
            )
            for one in questions
        ]
        about = About(name=study.name, identity=identity, grid=study.grid, worthwhile=study.worthwhile, questions=asked)
        write_whole(self.folder / ABOUT, dump(about.model_dump(mode="json"), indent=1) + "\n")

    def place(self, cell: Cell) -> Path:
        """The cell's file."""
        return self.folder / "cells" / f"{cell.name}.json"

    def done(self, cell: Cell) -> bool:
        """Whether the cell needs no more work."""
        return self.place(cell).is_file()

    def read(self, cell: Cell) -> CellResult:
        """What is kept of a cell.

        Raises:
            InputError: it is not there, or of another version.
        """
        place = self.place(cell)
        return CellResult.from_file(
            place, f"no cell {cell.name}", "remove it, and 'shopbench study run' makes it again"
        )

    def write(self, cell: Cell, result: CellResult) -> None:
        """Keep a cell: from here on it is done."""
        write_whole(self.place(cell), json.dumps(result.model_dump(mode="json"), separators=(",", ":")) + "\n")

    def pace(self, study: Study) -> Pace:
        """How fast the cells that are done were."""
        pace = Pace(study.expected)
        for cell in study.cells:
            if self.done(cell):
                found = self.read(cell)
                pace.evaluations.append(found.evaluation_seconds)
                if found.training:
                    pace.train.append((found.rows, found.training.seconds))
        return pace


@contextmanager
def claimed(cell: Cell, work: Path) -> Iterator[bool]:
    """Whether the cell is ours: no other process that runs this study from the same folder works on it."""
    place = work / "claims" / cell.name
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("w") as file:
        try:
            flock(file, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
