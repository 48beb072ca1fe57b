"""The report of synthetic cells with a known effect, and with none; the rates are stated with each."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from app.settings import ROOT
from app.studies.analysis import Finding, Floats, Scores, adjusted, all_effects, crossed, effect, mixed_model
from app.studies.plan import Cell, Grid, Study, cells_of
from app.studies.pool import NEW_TASKS, NEW_WORDINGS, SEEN
from app.studies.report import write_report
from app.studies.results import About, AskedQuestion, CellResult, Group, Results, Training

GRID = Study.read(ROOT / "configs" / "study.yaml").grid
CAPABILITIES = [capability.value for capability in sorted(GRID.orders[0])]


def asked(tasks: int, questions: int) -> list[AskedQuestion]:
    """So many tasks of each capability, and so many questions of each task, in three strata; and general ones."""
    found = [
        AskedQuestion(
            id=f"{stratum} {capability} {task} {number}",
            task=f"{capability} {task}",
            stratum=stratum,
            capability=capability,
            task_type="multiple-choice",
            metric="accuracy",
        )
        for stratum in (SEEN, NEW_WORDINGS, NEW_TASKS)
        for capability in CAPABILITIES
        for task in range(tasks)
        for number in range(questions)
    ]
    general = found[0].model_copy(update={"id": "general", "task": "general", "stratum": "general", "capability": ""})
    return [*found, general]


def about(grid: Grid = GRID, tasks: int = 12, questions: int = 4) -> About:
    return About(
        name="planted",
        identity={"model": "base", "model revision": "0"},
        grid=grid,
        worthwhile=0.01,
        questions=asked(tasks, questions),
    )


def cell_result(cell: Cell, scores: list[float]) -> CellResult:
    training = Training(
        rows=max(cell.rows, 1), sha256="0" * 64, examples=cell.rows, tokens=120 * cell.rows, steps=1, seconds=60.0,
        trained_parameters=1, first_loss=2.0, last_loss=1.0, threads=1, precision="float32",
    )  # fmt: skip
    group = Group(score=0.5, low=0.4, high=0.6, tasks=1, questions=1)
    return CellResult(
        kind=cell.kind, seed=cell.seed, rank=cell.rank, rows=cell.rows,
        capabilities=list(cell.capabilities), share=cell.share, tasks=[], pool="0",
        training=training if cell.kind == "adapter" else None,
        groups={"seen": group, "general": group}, text_loss=3.0, scores=list(scores),
        evaluation_seconds=60.0, revision=None,
    )  # fmt: skip


def planted(
    told: About, rng: np.random.Generator, *, step: float = 0.0, amplified: float = 0.0, noise: float = 0.05
) -> dict[str, CellResult]:
    """Cells whose score rises by `step` for each level and by `amplified` more for each doubling of the rank.

    Tasks differ in level and in slope, seeds in level and in slope, and each question of each cell has noise.
    """
    tasks = {(one.stratum, one.task) for one in told.questions}
    own = {task: (rng.uniform(0.2, 0.6), rng.normal(0, 0.01)) for task in sorted(tasks)}
    seeds = {seed: (rng.normal(0, 0.01), rng.normal(0, 0.002)) for seed in told.grid.seeds}
    found = {}
    for cell in cells_of(told.grid):
        level = 4 * cell.share if cell.share < 1 else len(cell.capabilities)
        doubling = math.log2(cell.rank) - 4 if cell.rank else 0
        shift, tilt = seeds[cell.seed]
        scores = []
        for one in told.questions:
            height, slope = own[one.stratum, one.task]
            rise = step + tilt + slope + amplified * doubling
            scores.append(height + shift + rise * (level - 2.5) + rng.normal(0, noise))
        found[cell.name] = cell_result(cell, scores)
    return found


def findings(told: About, cells: Mapping[str, CellResult]) -> dict[str, Finding]:
    return {one.name: one.finding for one in all_effects(Scores(told, cells)) if one.primary}


SLOPES = ("capabilities, equal rows", "capabilities, growing rows", "sub-tasks, equal rows", "sub-tasks, growing rows")
RANKS = ("capabilities, equal rows, times rank", "sub-tasks, equal rows, times rank")


def test_a_planted_slope_and_interaction_are_found() -> None:
    found = findings(about(), planted(about(), np.random.default_rng(1), step=0.03, amplified=0.01))
    assert {found[name] for name in (*SLOPES, *RANKS)} == {Finding.SUPPORTED}


def test_a_slope_alone_is_no_interaction() -> None:
    found = findings(about(), planted(about(), np.random.default_rng(2), step=0.03))
    assert {found[name] for name in SLOPES} == {Finding.SUPPORTED}
    assert Finding.SUPPORTED not in {found[name] for name in RANKS}


def test_a_fall_is_not_supported() -> None:
    found = findings(about(), planted(about(), np.random.default_rng(3), step=-0.03, amplified=-0.01))
    assert {found[name] for name in (*SLOPES, *RANKS)} == {Finding.NOT_SUPPORTED}


def test_much_noise_cannot_tell() -> None:
    found = findings(about(questions=1), planted(about(questions=1), np.random.default_rng(4), step=0.002, noise=3.0))
    assert Finding.CANNOT_TELL in {found[name] for name in SLOPES}


def contrasts(rng: np.random.Generator, mean: float, tasks: int = 48, seeds: int = 3) -> Floats:
    """What an effect is computed from: tasks and seeds of their own, and a rest."""
    of_tasks, of_seeds = rng.normal(0, 0.02, (tasks, 1)), rng.normal(0, 0.004, (1, seeds))
    values: Floats = mean + of_tasks + of_seeds + rng.normal(0, 0.03, (tasks, seeds))
    return values


@pytest.mark.parametrize(
    ("mean", "seeds", "finding", "least", "most"),
    [
        (0.0, 3, Finding.SUPPORTED, 0.0, 0.05),  # wrong at most so often: one side of 5 %
        (0.03, 3, Finding.SUPPORTED, 0.85, 1.0),
        (-0.03, 3, Finding.NOT_SUPPORTED, 0.85, 1.0),
        (0.0, 6, Finding.NOT_SUPPORTED, 0.4, 1.0),  # surely less than what is worth having
    ],
)
def test_findings_come_at_the_stated_rates(
    mean: float, seeds: int, finding: Finding, least: float, most: float
) -> None:
    """400 draws of a single effect each; with 3 seeds, 0.004 between them."""
    rng = np.random.default_rng(5)
    drawn = [adjusted([effect("", "", "", 0.01, contrasts(rng, mean, seeds=seeds))])[0] for _ in range(400)]
    rate = sum(one.finding is finding for one in drawn) / len(drawn)
    assert least <= rate <= most


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(6)
    drawn = [effect("", "", "", 0.01, contrasts(rng, 0.02)) for _ in range(600)]
    held = sum(one.low is not None and one.high is not None and one.low <= 0.02 <= one.high for one in drawn)
    assert held / len(drawn) >= 0.93


def test_the_smallest_effect_is_found_four_times_in_five() -> None:
    rng = np.random.default_rng(7)
    smallest = float(np.mean([effect("", "", "", 0.01, contrasts(rng, 0.0, seeds=8)).smallest for _ in range(100)]))
    drawn = [effect("", "", "", 0.01, contrasts(rng, smallest, seeds=8)) for _ in range(400)]
    found = sum(one.p_value is not None and one.p_value <= 0.05 for one in drawn)
    assert found / len(drawn) == pytest.approx(0.8, abs=0.08)


def test_many_effects_of_nothing_are_seldom_anything() -> None:
    """Of 30 true nothings, none is found in 19 of 20 studies."""
    rng = np.random.default_rng(8)
    wrong = 0
    for _ in range(60):
        effects = adjusted([effect("", "", "", 0.01, contrasts(rng, 0.0)) for _ in range(30)])
        wrong += any(one.adjusted is not None and one.adjusted <= 0.05 for one in effects)
    assert wrong <= 6


def test_the_variance_of_a_mean_by_hand() -> None:
    """1, 3 / 5, 11: mean 5; mean squares of tasks 36, of seeds 16, of the rest 4; (36 + 16 - 4) / 4 = 12."""
    found = crossed(np.array([[1.0, 3.0], [5.0, 11.0]]))
    assert found is not None
    assert found.estimate == 5
    assert found.error == pytest.approx(12**0.5)
    assert found.freedom == pytest.approx(48**2 / (36**2 + 16**2 + 4**2))
    assert crossed(np.ones((5, 1))) is None


def test_one_seed_cannot_tell() -> None:
    grid = GRID.model_copy(update={"seeds": (0,)})
    found = findings(about(grid), planted(about(grid), np.random.default_rng(9), step=0.05))
    assert set(found.values()) == {Finding.CANNOT_TELL}


def test_the_mixed_model_finds_what_was_planted() -> None:
    grid = GRID.model_copy(update={"growing_ranks": (), "experts_rank": None, "transfer_rank": None})
    told = about(grid, tasks=4, questions=1)
    cells = planted(told, np.random.default_rng(10), step=0.02, amplified=0.005)
    model = mixed_model(Scores(told, cells), "capabilities")
    assert model is not None
    for term, truth in (("step", 0.02), ("step times doubling", 0.005)):
        estimate, error = model.fixed[term]
        assert abs(estimate - truth) < 4 * error + 1e-3
    effects = {(one.name, one.outcome): one for one in all_effects(Scores(told, cells))}
    crossed_effect = effects["capabilities, equal rows, times rank", SEEN].estimate
    assert crossed_effect == pytest.approx(model.fixed["step times doubling"][0], abs=1e-4)
    assert model.varies["rest"] == pytest.approx(0.05, rel=0.2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The results of a planted study."""
    grid = GRID.model_copy(update={"seeds": (0, 1)})
    told = about(grid, tasks=2, questions=1)
    results = Results(tmp_path / "results")
    for name, result in planted(told, np.random.default_rng(11), step=0.03).items():
        cell = next(one for one in cells_of(grid) if one.name == name)
        results.write(cell, result)
    (results.folder / "study.json").write_text(told.model_dump_json(), encoding="utf-8")
    return results.folder


def test_the_report_is_the_same_to_the_byte_and_needs_nothing_else(folder: Path) -> None:
    written = write_report(folder)
    first = {path.name: path.read_bytes() for path in written}
    assert {"README.md", "report.html", "ladder-capabilities.svg", "transfer.svg", "cost.svg"} <= first.keys()
    write_report(folder)
    assert first == {path.name: path.read_bytes() for path in written}
    text = first["README.md"].decode()
    assert "**supported**" in text
    for name in first:
        if name.endswith(".svg"):
            assert f"]({name})" in text
    page = first["report.html"].decode()
    assert page.count("<svg") == sum(name.endswith(".svg") for name in first)
    assert "://" not in page.replace('xmlns="http://www.w3.org/2000/svg"', "")


def test_a_study_under_way_is_reported_as_such(folder: Path) -> None:
    for path in sorted((folder / "cells").glob("*seed1*")):
        path.unlink()
    write_report(folder)
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert "**Not finished**" in text
    assert "from one seed alone" in text
    assert "at least two seeds" in text


def test_a_study_that_has_not_begun_is_reported_too(folder: Path) -> None:
    for path in (folder / "cells").glob("*"):
        path.unlink()
    write_report(folder)
    assert "not there yet" in (folder / "README.md").read_text(encoding="utf-8")
