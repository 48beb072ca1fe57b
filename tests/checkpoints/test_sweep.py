"""A sweep measures every alpha once, goes on after a stop, and picks the smallest of the best."""

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from app.checkpoints.answering import DATA, MacroScore
from app.checkpoints.sweep import (
    Point,
    SweepRequest,
    check_alphas,
    pick,
    read_sweep,
    run_sweep,
    sweep_chart,
    sweep_table,
)
from app.checkpoints.tensors import CheckpointTensors
from app.errors import InputError, SetupError
from app.evaluation.datasets.reading import read_dataset
from app.evaluation.schema import Interval
from app.evaluation.scoring import Scorer
from app.settings import Settings

SAMPLES = read_dataset(DATA).samples


def point(alpha: float, score: float) -> Point:
    interval = Interval(low=score - 0.1, high=score + 0.1, method="stratified bootstrap")
    return Point(
        alpha=alpha,
        macro=MacroScore(score=score, interval=interval, by_type={"ranking": score}, samples=7, not_scored=0),
    )


@pytest.fixture
def request_(checkpoint: Path, tuned: Path, tmp_path: Path) -> SweepRequest:
    settings = Settings(engine="transformers", engine_settings={"dtype": "float32"})
    return SweepRequest(checkpoint, tuned, tmp_path / "sweep", DATA, (0.0, 0.5, 1.0), settings)


def test_a_stopped_sweep_goes_on_and_keeps_what_it_measured(request_: SweepRequest) -> None:
    class StopError(Exception):
        pass

    def stop(measured: Point, _: bool) -> None:
        if measured.alpha == 0.5:
            raise StopError

    with pytest.raises(StopError):
        run_sweep(request_, SAMPLES, Scorer(), stop)
    half = read_sweep(request_.output)
    assert half is not None
    assert [one.alpha for one in half.points] == [0.0, 0.5]
    assert half.chosen is None

    told: list[tuple[float, bool]] = []
    sweep = run_sweep(request_, SAMPLES, Scorer(), lambda one, known: told.append((one.alpha, known)))

    assert told == [(0.0, True), (0.5, True), (1.0, False)]
    assert sweep.chosen == pick(sweep.points)
    assert set(sweep.points[0].macro.by_type) == {sample.task_type.value for sample in SAMPLES}
    chosen = CheckpointTensors(request_.output / "checkpoint")
    base, tuned = CheckpointTensors(request_.base), CheckpointTensors(request_.tuned)
    name = "model.layers.0.mlp.up_proj.weight"
    assert torch.equal(chosen.read(name), torch.lerp(base.read(name), tuned.read(name), sweep.chosen or 0.0))
    written = {path.name for path in request_.output.iterdir()}
    assert written == {"checkpoint", "sweep.json", "sweep.md", "sweep.svg"}
    assert json.loads((request_.output / "sweep.json").read_text())["chosen"] == sweep.chosen

    with pytest.raises(SetupError, match="sweep of something else: tuned was"):
        run_sweep(replace(request_, tuned=request_.base), SAMPLES, Scorer())


def test_a_folder_of_something_else_is_kept(request_: SweepRequest) -> None:
    request_.output.mkdir()
    (request_.output / "letter.txt").write_text("keep me")
    for overwrite in (False, True):
        with pytest.raises(SetupError, match="something else"):
            run_sweep(replace(request_, overwrite=overwrite), SAMPLES, Scorer())
    assert (request_.output / "letter.txt").read_text() == "keep me"


def test_of_equal_scores_the_smallest_alpha_is_picked() -> None:
    assert pick([point(1.0, 0.5), point(0.2, 0.5), point(0.0, 0.4)]) == 0.2
    assert pick([point(0.0, 0.3), point(1.0, 0.31)]) == 1.0


@pytest.mark.parametrize(("alphas", "says"), [((0.5,), "two alphas"), ((0.5, 0.50001), "two"), ((0, 1.5), "between")])
def test_bad_alphas_are_refused(alphas: tuple[float, ...], says: str) -> None:
    with pytest.raises(InputError, match=says):
        check_alphas(alphas)


def test_the_chart_and_the_table_show_every_alpha() -> None:
    points = [point(0.0, 0.3), point(0.5, 0.4), point(1.0, 0.2)]
    chart = ET.fromstring(sweep_chart(points, 0.5, "a<b>.jsonl"))  # noqa: S314 - the project's own text
    texts = [element.text or "" for element in chart.iter("{http://www.w3.org/2000/svg}text")]
    assert {"0", "0.5", "1"} <= set(texts)
    assert any("a<b>.jsonl" in text for text in texts)
    circles = list(chart.iter("{http://www.w3.org/2000/svg}circle"))
    assert [circle.get("class") for circle in circles] == ["point", "chosen", "chosen-ring", "point"]
    heights = [float(circle.get("cy") or 0) for circle in circles]
    assert heights[1] < heights[0] < heights[3]
    rows = sweep_table(points, 0.5).splitlines()
    assert len(rows) == 5
    assert rows[3].startswith("| 0.5 (chosen) | 0.4000 | 0.300 to 0.500 |")
