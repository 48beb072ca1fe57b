"""`sweep`: WiSE-FT's alpha picked on validation data, with the project's own prompts, engine and scores."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from app.checkpoints.answering import MacroScore, Running, answer_samples, score_answers
from app.checkpoints.combine import combine, interpolation
from app.checkpoints.folder import check_combinable
from app.checkpoints.tensors import CheckpointTensors, refuse_to_replace
from app.errors import InputError, SetupError
from app.evaluation.schema import Interval
from app.evaluation.scoring import Scorer
from app.files import sha256, write_whole
from app.jobs.identity import Identity, differences, folder_revision
from app.predictor import Predictor
from app.prompting import PromptLibrary
from app.report.page import CurvePoint, render_curve
from app.types import Sample

DECIMALS = 4
"""Of an alpha: closer ones count as the same."""


class Point(BaseModel):
    """One alpha and what it scores."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    alpha: float
    macro: MacroScore


def pick(points: Sequence[Point]) -> float:
    """The alpha with the highest score; of equal ones the smallest, which stays closest to the base."""
    return min(points, key=lambda point: (-point.macro.score, point.alpha)).alpha


def check_alphas(alphas: Sequence[float]) -> list[float]:
    """Distinct alphas, smallest first.

    Raises:
        InputError: fewer than two, or one that is not between 0 and 1.
    """
    found = sorted({round(alpha, DECIMALS) for alpha in alphas})
    if len(found) < 2:
        raise InputError("a sweep needs two alphas or more, such as 0,0.25,0.5,0.75,1")
    for alpha in found:
        interpolation(alpha)
    return found


def sweep_table(points: Sequence[Point], chosen: float) -> str:
    """One row an alpha: macro score, interval, and each task type's score."""
    types = list(points[0].macro.by_type)
    lines = [
        "| alpha | macro score | 95 % interval | " + " | ".join(types) + " |",
        "|---" * (3 + len(types)) + "|",
    ]
    for point in points:
        mark = " (chosen)" if point.alpha == chosen else ""
        scores = " | ".join(f"{point.macro.by_type[name]:.4f}" for name in types)
        interval = interval_text(point.macro.interval)
        lines.append(f"| {point.alpha:g}{mark} | {point.macro.score:.4f} | {interval} | {scores} |")
    return "\n".join(lines) + "\n"


def interval_text(interval: Interval | None) -> str:
    """An interval for a table; a dash where there is none."""
    return "-" if interval is None else f"{interval.low:.3f} to {interval.high:.3f}"


def sweep_chart(points: Sequence[Point], chosen: float, data: str) -> str:
    """Macro score over alpha with its interval; the chosen alpha is ringed."""
    return render_curve(
        [CurvePoint(point.alpha, point.macro.score, point.macro.interval) for point in points],
        chosen,
        title="Macro score by alpha, with 95 % intervals",
        axis="alpha",
        below=f"0 is the base, 1 the tuned model; {points[0].macro.samples:,} samples of {data}",
    )


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
