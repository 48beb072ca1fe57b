"""`sweep`: WiSE-FT's alpha picked on validation data, with the project's own prompts, engine and scores."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.checkpoints.answering import MacroScore, ask, score_answers
from app.checkpoints.card import row
from app.checkpoints.combine import check_combinable, combine, interpolation
from app.checkpoints.folder import Output
from app.errors import InputError, SetupError
from app.evaluation.schema import Record
from app.evaluation.scoring import Scorer
from app.files import FolderKind, refuse_to_replace, sha256, write_whole
from app.jobs.identity import Identity, differences, folder_revision, known_identity
from app.report.page import CurvePoint, render_curve
from app.settings import Settings
from app.types import Sample

RESULT, TABLE, CHART, CHECKPOINT = "sweep.json", "sweep.md", "sweep.svg", "checkpoint"
CANDIDATE = "candidate"
SWEEP = FolderKind("sweep", RESULT)
DECIMALS = 4
"""Of an alpha: closer ones count as the same."""


class Point(Record):
    """One alpha and what it scores."""

    alpha: float
    macro: MacroScore


class Sweep(Record):
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
    settings: Settings
    """How the mixtures are run; the model that they name does not count."""
    seed: int = 0
    """Of the bootstrap."""
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
        InputError: bad alphas, checkpoints that do not fit together, or a damaged record of the sweep.
        SetupError: the folder holds another sweep, or cannot be written.
    """
    alphas = check_alphas(request.alphas)
    check_combinable([request.base, request.tuned])
    sweep = _begin(request)
    known = {point.alpha: point for point in sweep.points}
    for alpha in alphas:
        was_known = alpha in known
        if not was_known:
            known[alpha] = Point(alpha=alpha, macro=_measure(request, alpha, samples, scorer))
            sweep = sweep.model_copy(update={"points": [known[key] for key in sorted(known)]})
            _write(request.output, sweep)
        on_point(known[alpha], was_known)
    points = [known[alpha] for alpha in alphas]
    chosen = pick(points)
    sweep = sweep.model_copy(update={"points": points, "chosen": chosen})
    _mix(request, chosen, CHECKPOINT)
    write_whole(request.output / TABLE, sweep_table(points, chosen))
    write_whole(request.output / CHART, sweep_chart(points, chosen, request.data.name))
    _write(request.output, sweep)
    return sweep


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


def pick(points: Sequence[Point]) -> float:
    """The alpha with the highest score; of equal ones the smallest, which stays closest to the base."""
    return min(points, key=lambda point: (-point.macro.score, point.alpha)).alpha


def sweep_table(points: Sequence[Point], chosen: float) -> str:
    """One row an alpha: macro score, interval, and each task type's score."""
    types = list(points[0].macro.by_type)
    lines = [row("alpha", "macro score", "95 % interval", *types), "|---" * (3 + len(types)) + "|"]
    for point in points:
        mark = " (chosen)" if point.alpha == chosen else ""
        scores = (f"{point.macro.by_type[name]:.4f}" for name in types)
        lines.append(row(f"{point.alpha:g}{mark}", f"{point.macro.score:.4f}", point.macro.interval or "-", *scores))
    return "\n".join(lines) + "\n"


def sweep_chart(points: Sequence[Point], chosen: float, data: str) -> str:
    """Macro score over alpha with its interval; the chosen alpha is ringed."""
    return render_curve(
        [CurvePoint(point.alpha, point.macro.score, point.macro.interval) for point in points],
        chosen,
        title="Macro score by alpha, with 95 % intervals",
        axis="alpha",
        below=f"0 is the base, 1 the tuned model; {points[0].macro.samples:,} samples of {data}",
    )


def read_sweep(folder: Path) -> Sweep | None:
    """The sweep of a folder, finished or not; None where there is none.

    Raises:
        InputError: the file is damaged or of another version.
    """
    path = folder / RESULT
    return (
        Sweep.from_file(path, f"{folder} holds no sweep", "start afresh with --overwrite") if path.is_file() else None
    )


def _begin(request: SweepRequest) -> Sweep:
    identity = _identity(request)
    refuse_to_replace(request.output, SWEEP, overwrite=True)
    if request.overwrite and request.output.exists():
        shutil.rmtree(request.output)
    sweep = read_sweep(request.output)
    if sweep is None:
        sweep = Sweep(identity=dict(identity), points=[])
        # From here on the folder is known as a sweep's, whatever a killed one leaves in it.
        _write(request.output, sweep)
    if changed := differences(sweep.identity, identity):
        raise SetupError(
            f"{request.output} holds a sweep of something else: {'; '.join(changed)}. "
            "Name another folder, or start afresh with --overwrite"
        )
    return sweep


def _identity(request: SweepRequest) -> Identity:
    settings = request.settings.model_copy(update={"model": str(request.base)})
    return {
        **known_identity(settings),
        "tuned": folder_revision(request.tuned),
        "data": sha256(request.data) or request.data.name,
        "engine settings": repr(sorted(settings.engine_settings.items())),
        "engine seed": str(settings.seed),
        "seed": str(request.seed),
    }


def _mix(request: SweepRequest, alpha: float, name: str) -> Path:
    folder = request.output / name
    combine([request.base, request.tuned], Output(folder, overwrite=True), interpolation(alpha))
    return folder


def _measure(request: SweepRequest, alpha: float, samples: Sequence[Sample], scorer: Scorer) -> MacroScore:
    candidate = _mix(request, alpha, CANDIDATE)
    try:
        answers = [prediction.answer or "" for prediction in ask(request.settings, candidate, samples)]
    finally:
        shutil.rmtree(candidate)
    return score_answers(samples, answers, scorer, request.seed).macro


def _write(folder: Path, sweep: Sweep) -> None:
    write_whole(folder / RESULT, sweep.model_dump_json(indent=2) + "\n")
