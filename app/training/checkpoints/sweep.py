"""`sweep`: WiSE-FT's alpha picked on validation data, with the project's own prompts, engine and scores."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from app.batch.checkpoint_revision import folder_revision
from app.batch.request_key import Identity, differences
from app.errors import SetupError
from app.evaluation.provenance import sha256
from app.evaluation.scoring import Scorer
from app.predictor import Predictor
from app.prompting import PromptLibrary
from app.training.checkpoints.combination import combine, interpolation
from app.training.checkpoints.compatibility import check_combinable
from app.training.checkpoints.output_folder import refuse_to_replace
from app.training.checkpoints.running import Running
from app.training.checkpoints.scoring import MacroScore, answer_samples, score_answers
from app.training.checkpoints.sweep_chart import sweep_chart, sweep_table
from app.training.checkpoints.sweep_point import Point, check_alphas, pick
from app.training.checkpoints.tensors import CheckpointTensors
from app.types import Sample
from app.whole_file import write_whole

RESULT, TABLE, CHART, CHECKPOINT = "sweep.json", "sweep.md", "sweep.svg", "checkpoint"
CANDIDATE = "candidate"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Sweep(_Part):
    """Everything that was measured, and the alpha that was picked."""

    identity: dict[str, str]
    """What the scores depend on: both checkpoints, the data, prompts, engine and seed."""
    points: list[Point]
    """By alpha, smallest first."""
    chosen: float | None = None
    """The alpha with the highest score, the smaller one where two are equal; None before all are measured."""


@dataclass(frozen=True, slots=True)
class SweepRequest:
    """What to sweep over, and where the results go."""

    base: Path
    tuned: Path
    output: Path
    data: Path
    alphas: tuple[float, ...]
    running: Running
    seed: int = 0
    overwrite: bool = False


def run_sweep(
    request: SweepRequest,
    samples: Sequence[Sample],
    scorer: Scorer,
    on_point: Callable[[Point, bool], None] = lambda _, __: None,
) -> Sweep:
    """Score every alpha and write the picked checkpoint, a table and a chart.

    Each alpha's score is written as soon as it is known; given again, only the missing ones are measured.
    `on_point` is told of each, and whether it was known already.

    Raises:
        InputError: bad alphas, or checkpoints that do not fit together.
        SetupError: the folder holds another sweep, or cannot be written.
    """
    alphas = check_alphas(request.alphas)
    check_combinable(CheckpointTensors(request.base), [CheckpointTensors(request.tuned)])
    sweep = _begin(request)
    known = {point.alpha: point for point in sweep.points}
    for alpha in alphas:
        if was_known := alpha in known:
            point = known[alpha]
        else:
            point = Point(alpha=alpha, macro=_measure(request, alpha, samples, scorer))
            known[alpha] = point
            sweep = sweep.model_copy(update={"points": [known[key] for key in sorted(known)]})
            _write(request.output, sweep)
        on_point(point, was_known)
    points = [known[alpha] for alpha in alphas]
    sweep = sweep.model_copy(update={"points": points, "chosen": pick(points)})
    combine(
        [request.base, request.tuned],
        request.output / CHECKPOINT,
        interpolation(pick(points)),
        overwrite=True,
    )
    write_whole(request.output / TABLE, sweep_table(sweep.points, pick(points)))
    write_whole(request.output / CHART, sweep_chart(sweep.points, pick(points), request.data.name))
    _write(request.output, sweep)
    return sweep


def read_sweep(folder: Path) -> Sweep | None:
    """The sweep of a folder, finished or not; None where there is none.

    Raises:
        SetupError: the file is damaged or of another version.
    """
    path = folder / RESULT
    if not path.is_file():
        return None
    try:
        return Sweep.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise SetupError(f"{path} is not of this version: start afresh with --overwrite") from error


def _begin(request: SweepRequest) -> Sweep:
    identity = _identity(request)
    if request.output.exists() and request.overwrite:
        _clear(request.output)
    known = read_sweep(request.output)
    if known is None:
        if request.output.exists() and (not request.output.is_dir() or any(request.output.iterdir())):
            raise SetupError(f"{request.output} holds something else than a sweep: name a folder that is not there yet")
        return Sweep(identity=dict(identity), points=[])
    if changed := differences(known.identity, identity):
        raise SetupError(
            f"{request.output} holds a sweep of something else: {'; '.join(changed)}. "
            "Name another folder, or start afresh with --overwrite"
        )
    return known


def _clear(folder: Path) -> None:
    if read_sweep(folder) is None:
        refuse_to_replace(folder, overwrite=False)
    shutil.rmtree(folder)


def _identity(request: SweepRequest) -> Identity:
    settings: Mapping[str, object] = request.running.settings
    return {
        "base": folder_revision(request.base),
        "tuned": folder_revision(request.tuned),
        "data": sha256(request.data) or request.data.name,
        "prompts": PromptLibrary(request.running.prompts).fingerprint,
        "engine": request.running.engine,
        "engine settings": repr(sorted(settings.items())),
        "seed": str(request.seed),
    }


def _measure(request: SweepRequest, alpha: float, samples: Sequence[Sample], scorer: Scorer) -> MacroScore:
    candidate = request.output / CANDIDATE
    try:
        combine([request.base, request.tuned], candidate, interpolation(alpha), overwrite=True)
        with request.running.load(candidate) as engine:
            predictor = Predictor(engine, PromptLibrary(request.running.prompts))
            answers = answer_samples(predictor, samples)
    finally:
        shutil.rmtree(candidate, ignore_errors=True)
    return score_answers(samples, answers, scorer, request.seed).macro


def _write(folder: Path, sweep: Sweep) -> None:
    write_whole(folder / RESULT, sweep.model_dump_json(indent=2) + "\n")
