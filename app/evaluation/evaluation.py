"""A whole evaluation: samples and answers in, a report and one result a sample out."""

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from app.errors import InputError
from app.evaluation.answers import Answered, Answers, ask, from_prediction, join, read_answers
from app.evaluation.datasets.reading import Dataset, read_dataset
from app.evaluation.schema import (
    PUBLISHED,
    ChatMessage,
    Durations,
    EvalReport,
    Joining,
    RoutingAccuracy,
    SampleResult,
)
from app.evaluation.scoring import SampleScore, Scorer
from app.evaluation.statistics import Drawn
from app.evaluation.summaries import (
    TaskSummary,
    calibration,
    summarise_all,
    summarise_tasks,
    summarise_tracks,
    summarise_types,
)
from app.files import encodable, sha256, write_lines, write_whole
from app.predictor import Predictor
from app.types import Outcome, Prediction, Sample

REPORT = "report.json"
SAMPLES = "samples.jsonl"
UNKNOWN, LEAVE_ONE_OUT = "unknown", "leave-one-out"
OWN_WORDS = (Outcome.CLEAN, Outcome.REPAIRED, Outcome.SHORTENED, Outcome.TRUNCATED, Outcome.UNSURE)
"""Outcomes whose answer is what the model wrote; the others' answers stand in for it."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What an evaluation found."""

    report: EvalReport
    results: list[SampleResult]
    drawn: Mapping[str, Drawn] = field(default_factory=dict)
    """The bootstrap distribution of each task's score, for means over some of them; empty where read from files."""


def evaluate(
    data: Path | str | Dataset,
    answers: Answers | Path | str | Predictor | Iterable[Prediction],
    *,
    known: Dataset | None = None,
    scorer: Scorer | None = None,
    seed: int = 0,
    name: str | None = None,
) -> Evaluation:
    """Score answers to labelled samples as the competition does, with intervals and baselines.

    Args:
        data: the samples, or the file or folder that holds them, in any format that `read_dataset` reads.
        answers: a predictor that is asked now; or its predictions, known by their ids; or the file that
            `shopbench predict` wrote. A sample without an answer is scored as an empty one.
        known: samples that the majority baseline takes its answers from, task by task, instead of leave-one-out.
        scorer: computes the metrics; by default one that looks for the sentence encoders itself.
        seed: of the bootstrap and of the random baseline.
        name: what the evaluation is called on its page and in comparisons.

    Raises:
        InputError: data or answers that cannot be read or joined, an unknown metric, or a task that mixes task types.
        EngineError: the predictor's engine failed.
        SetupError: a library that scores is not installed.
    """
    dataset = data if isinstance(data, Dataset) else read_dataset(Path(data))
    scorer = scorer or Scorer()
    samples = dataset.samples
    if isinstance(answers, Predictor):
        answers = ask(answers, samples)
    elif isinstance(answers, str | Path):
        answers = read_answers(Path(answers), samples)
    elif not isinstance(answers, Answers):
        answers = join(samples, [from_prediction(prediction) for prediction in answers])
    started = time.perf_counter()
    scores = scorer.score(samples, [answered.answer if answered else "" for answered in answers.answers])
    results = list(map(_result, samples, scores, answers.answers))
    tasks = summarise_tasks(samples, scores, scorer, seed, known.samples if known else ())
    tracks, track_draws = summarise_tracks(tasks)
    not_scored = Counter(result.metric for result in results if result.score is None)
    report = EvalReport(
        name=name,
        created=datetime.now(UTC),
        data=dataset.path.name,
        data_sha256=sha256(dataset.path),
        provenance=answers.provenance,
        joining=Joining(by=answers.by, missing=answers.missing, extra=answers.extra),
        overall=summarise_all(tasks, tracks, track_draws, not_scored),
        tracks=tracks,
        types=summarise_types(tasks),
        tasks={name: task.score for name, task in tasks.items()},
        outcomes=dict(Counter(result.outcome.value if result.outcome else UNKNOWN for result in results)),
        failed=dict(Counter(filter(None, map(_failure, results))).most_common()),
        routing=_routing(results),
        calibration=calibration(results),
        majority_from=LEAVE_ONE_OUT if known is None else known.path.name,
        durations=Durations(
            load_seconds=answers.load_seconds,
            predict_seconds=answers.predict_seconds,
            score_seconds=time.perf_counter() - started,
            batches=answers.batches,
            over_limit=sum(not batch.within_limit for batch in answers.batches),
        ),
        published=PUBLISHED,
        scorers=dict(scorer.used),
        notes=[*dataset.notes, *_notes(answers, tasks, results, known)],
    )
    if report.failure:
        report = report.model_copy(update={"notes": [report.failure, *report.notes]})
    return Evaluation(report, results, {name: task.drawn for name, task in tasks.items() if task.drawn})


def write_evaluation(folder: Path, evaluation: Evaluation) -> None:
    """Write `report.json` and `samples.jsonl` below `folder`; each appears whole or not at all.

    Raises:
        SetupError: the folder cannot be written to.
    """
    write_lines(folder / SAMPLES, (result.model_dump(mode="json") for result in evaluation.results))
    write_whole(folder / REPORT, evaluation.report.model_dump_json(indent=2) + "\n")


def read_evaluation(folder: Path) -> Evaluation:
    """What `write_evaluation` wrote.

    Raises:
        InputError: a file is missing, or not of this schema.
    """
    try:
        report = EvalReport.model_validate_json((folder / REPORT).read_bytes())
        lines = (folder / SAMPLES).read_text(encoding="utf-8").split("\n")
        results = [SampleResult.model_validate_json(line) for line in lines if line]
    except OSError as error:
        raise InputError(f"{folder} holds no evaluation ({error.strerror}: {error.filename})") from error
    except ValueError as error:
        problem = str(error).splitlines()
        raise InputError(f"{folder} was not written by this version: {' '.join(problem[:3])}") from error
    return Evaluation(report, results)


def _result(sample: Sample, score: SampleScore, answered: Answered | None) -> SampleResult:
    known = answered or Answered(None, "")
    return SampleResult(
        id=sample.question.id,
        task_name=sample.task_name,
        task_type=sample.task_type,
        track=sample.track,
        metric=sample.metric,
        prompt=encodable(sample.question.prompt),
        rendered=[ChatMessage(role=one.role, content=encodable(one.content)) for one in known.rendered]
        if known.rendered is not None
        else None,
        raw=None if known.raw is None else encodable(known.raw),
        answer=encodable(known.answer),
        parsed=_readable(score.parsed),
        gold=_readable(sample.gold),
        score=score.score,
        counts=score.counts,
        not_scored_reason=score.reason,
        outcome=known.outcome,
        routed_type=known.task_type,
        route_right=known.task_type is sample.task_type if known.task_type else None,
        label_probs=dict(known.label_probs) if known.label_probs else None,
        label_mass=known.label_mass,
        seconds=known.seconds,
        output_characters=len(known.answer),
        output_tokens=known.output_tokens,
        error=known.error,
        missing=answered is None,
    )


def _failure(result: SampleResult) -> str | None:
    """Why there is no answer of the model's own, if so; a new outcome counts as a failure until it is known as none."""
    if result.missing or result.error is not None:
        return "missing" if result.missing else "error"
    if result.outcome is not None and result.outcome not in OWN_WORDS:
        return result.outcome.value
    return None if result.answer.strip() else "empty"


def _readable(value: object) -> object:
    """A parsed answer or a label whose texts can be written as UTF-8."""
    if isinstance(value, list):
        return [_readable(part) for part in value]
    return encodable(value) if isinstance(value, str) else value


def _routing(results: Sequence[SampleResult]) -> RoutingAccuracy | None:
    routed = [
        (result.task_type.value, result.routed_type.value) for result in results if result.routed_type is not None
    ]
    if not routed:
        return None
    confusion: dict[str, Counter[str]] = defaultdict(Counter)
    for own, read in routed:
        confusion[own][read] += 1
    return RoutingAccuracy(
        right=sum(own == read for own, read in routed),
        n=len(routed),
        confusion={own: dict(row) for own, row in confusion.items()},
    )


def _notes(
    answers: Answers, tasks: Mapping[str, TaskSummary], results: Sequence[SampleResult], known: Dataset | None
) -> list[str]:
    notes = []
    if answers.extra:
        notes.append(f"{len(answers.extra)} predictions belong to no sample: ignored")
    reasons = Counter((result.metric, result.not_scored_reason) for result in results if result.not_scored_reason)
    notes += [f"{n} samples of {metric} not scored: {reason}" for (metric, reason), n in reasons.items()]
    unscored = [name for name, task in tasks.items() if task.score.score is None]
    if unscored:
        notes.append(f"left out of every mean, for want of a score: {', '.join(unscored)}")
    if single := sum(task.score.n == 1 for task in tasks.values()):
        notes.append(f"{single} tasks have a single sample: intervals of means take their scores as certain")
    if known is not None:
        without = len(tasks.keys() - {sample.task_name for sample in known.samples})
        rest = f"; {without} tasks are not in it, and there it is {LEAVE_ONE_OUT}" if without else ""
        notes.append(f"the majority baseline takes its answers from {known.path.name}{rest}")
    return notes
