"""A study of tiny cells: two capabilities in steps, two ranks, two seeds."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.process import Interruption
from app.settings import ROOT
from app.studies.plan import Study
from app.studies.run import Sitting, run_study
from tests.data.rows import make_rows, write_rows
from tests.train.runs import Watching


def values_for(folder: Path, checkpoint: Path, **changes: object) -> dict[str, Any]:
    """Settings of the study, its rows beside it. Every fourth row has a wording that is held out."""
    rows = folder / "rows.jsonl"
    if not rows.exists():
        made = [replace(row, wording=number // 5 % 4) for number, row in enumerate(make_rows(900))]
        # Two tasks of each capability, so that one can come before the other.
        more = [replace(row, task=f"{row.task} again") for row in make_rows(900, seed=1)]
        write_rows(rows, [*made, *more])
    return {
        "name": "small",
        "base": str(checkpoint),
        "device": "cpu",
        "prompts": str(ROOT / "prompts"),
        "work": str(folder / "work"),
        "results": str(folder / "results"),
        "pool": {
            "data": str(folder),
            "sources": {"own": {"file": str(rows), "licence": "ours"}},
            "splits": {"train": 0.5, "validation": 0.25, "test": 0.25},
            "near_duplicates": {"threshold": 0.95},
            "evaluation_files": [],
        },
        "held_out": {"tasks": ["select again"], "wordings": [3]},
        "test": {"seen": 16, "new_wordings": 6, "new_tasks": 4},
        "training": {
            "forms": {"multiple-choice": {"ask": "texts", "prior": 0.8}},
            "optimizer": {"learning_rate": 0.01, "batch_size": 4},
            "precision": "float32",
            "threads": 1,
            "log_every": 1,
        },
        "grid": {
            "orders": [["concept_understanding", "user_behaviour"]],
            "shares": [0.5, 1],
            "ranks": [2, 4],
            "seeds": [0, 1],
            "rows": 8,
            "experts_rank": 4,
        },
    } | changes


def sit(values: dict[str, Any], watching: Watching | None = None, time_budget: float | None = None) -> Sitting:
    with Interruption(lambda _: None) as interruption:
        return run_study(
            Study.parse(values), watching or Watching(), interruption, lambda _, __: lambda: None, time_budget
        )


def kept(folder: Path) -> dict[str, dict[str, Any]]:
    """The cells' files by name."""
    return {path.stem: json.loads(path.read_text()) for path in sorted((folder / "results" / "cells").glob("*.json"))}


def stop_after(cells: int, then: Callable[[], object]) -> Watching:
    """Does something at the first step after so many cells."""
    watching = Watching()

    def after(_: int) -> None:
        if sum(line.startswith("cell ") for line in watching.lines) == cells:
            then()

    watching.after = after
    return watching
