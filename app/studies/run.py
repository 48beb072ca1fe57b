"""A sitting of a study: cell after cell until all are done, the time is used up, or somebody asks to stop."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby

from app.jobs.identity import Identity
from app.process import Interruption
from app.studies.cells import Bench, Interrupted
from app.studies.plan import Cell, Study
from app.studies.pool import choose_questions, counted, open_pool, recorded_questions
from app.studies.results import CellResult, Results, claimed
from app.train.callbacks import Watcher
from app.train.network import choose_precision
from app.train.run_folder import run_identity

MARGIN = 1.1
"""A cell is begun where so much of what it is expected to take is left."""


@dataclass(frozen=True, slots=True)
class Sitting:
    """How a sitting ended."""

    done: int
    """Cells, of this sitting."""
    left: int
    """Cells that nobody has done yet."""
    out_of_time: bool


def run_study(
    study: Study,
    watcher: Watcher,
    interruption: Interruption,
    watch: Callable[[str, int], Callable[[], object]],
    time_budget: float | None = None,
) -> Sitting:
    """Do what is left of a study. `watch` is told of the steps that make the pool; `interruption` must be entered.

    A cell is kept when it is whole: a sitting that ends within one, by whatever means, loses that one alone. Cells that
    another process works on, which has the same `work` folder, are left to it: so several devices share a study.

    Args:
        study: its settings.
        watcher: told of each cell and of its steps.
        interruption: asks to stop.
        watch: as for `build_mixture`.
        time_budget: seconds from now, for all of it. No cell is begun that would not end in time.

    Raises:
        SetupError: a setting, a source, the machine or the disk does not allow it; or results that do not belong here.
        InputError: a file is not what its data set publishes.
    """
    ends = None if time_budget is None else time.monotonic() + time_budget
    results = Results(study.results)
    identity = dict(study_identity(study))
    pool, found = open_pool(study, watch)
    known = [one.id for one in results.about().questions] if results.begun else None
    questions = choose_questions(study, found) if known is None else recorded_questions(known, found, study.results)
    results.begin(study, identity, questions)
    watcher.said(
        f"{len(pool.rows):,} rows of {len(pool.by_task)} tasks to train on; questions: "
        + ", ".join(f"{number} {name}" for name, number in counted(questions).items())
    )
    bench: Bench | None = None
    done = 0
    for number, cell in enumerate(study.cells, start=1):
        with claimed(cell, study.work) as ours:
            if not ours or results.done(cell):
                continue
            needed = MARGIN * results.pace(study).seconds(cell)
            if ends is not None and time.monotonic() + needed > ends:
                return Sitting(done, _left(study, results), out_of_time=True)
            bench = bench or Bench(study, pool, questions, watcher, interruption)
            began = time.monotonic()
            try:
                result = bench.run(cell)
            except Interrupted:
                break
            results.write(cell, result)
        done += 1
        watcher.said(f"cell {number} of {len(study.cells)}, {told(cell, result)}; {time.monotonic() - began:.0f} s")
        if interruption.requested:
            break
    return Sitting(done, _left(study, results), out_of_time=False)


def _left(study: Study, results: Results) -> int:
    return sum(not results.done(cell) for cell in study.cells)


def told(cell: Cell, result: CellResult) -> str:
    """A cell in a line."""
    scores = ", ".join(f"{name} {group.score:.3f}" for name, group in result.groups.items())
    loss = (
        "" if result.training is None else f"; loss {result.training.first_loss:.3f} to {result.training.last_loss:.3f}"
    )
    return f"{cell.name}: {scores}{loss}"


def study_identity(study: Study) -> Identity:
    """What the scores of all cells depend on, by the names that people know.

    Raises:
        SetupError: the base is not there, or a setting is wrong.
    """
    config = study.recipe(Cell("base"), study.work / "cells")
    own = {name: value for name, value in run_identity(config, [], []).items() if name not in OF_CELLS}
    settings = study.model_dump(mode="json", include={"held_out", "test"})
    precision = str(choose_precision(config).compute).removeprefix("torch.")
    return own | {name: str(value) for name, value in settings.items()} | {"precision": precision}


OF_CELLS = ("train", "validation", "seed", "lora.rank", "save_every", "run", "output")


@dataclass(frozen=True, slots=True)
class SeedStatus:
    """How far one seed's cells are. The base stands with the first seed."""

    seed: int
    done: int
    cells: int
    hours_left: float


def status(study: Study) -> list[SeedStatus]:
    """What is done and what is left, by seed, with the hours that the rest takes at the pace so far."""
    results = Results(study.results)
    pace = results.pace(study)
    found = []
    for seed, cells in groupby(study.cells, key=lambda cell: cell.seed):
        listed = list(cells)
        left = [cell for cell in listed if not results.done(cell)]
        found.append(SeedStatus(seed, len(listed) - len(left), len(listed), sum(map(pace.seconds, left)) / 3600))
    return found


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a study takes."""

    cells: int
    rows: int
    """Trained on, of all cells."""
    tokens: float
    hours: float
    measured: bool
    """Whether by cells that are done; else as the settings expect."""


def estimate(study: Study) -> Estimate:
    """All cells, done or not."""
    results = Results(study.results)
    pace = results.pace(study)
    trained = [cell for cell in study.cells if cell.kind == "adapter"]
    rows = sum(cell.rows for cell in trained)
    known = [results.read(cell).training for cell in trained if results.done(cell)]
    measured = [one for one in known if one is not None]
    a_row = study.expected.tokens_a_row
    if measured:
        a_row = sum(one.tokens for one in measured) / sum(one.rows for one in measured)
    hours = sum(map(pace.seconds, study.cells)) / 3600
    return Estimate(len(study.cells), rows, rows * a_row, hours, bool(measured))
