"""What checkpoints answer to samples, by the project's own prompts and engines, and what that scores."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from app.data.encoding import encode_question
from app.engines.chat import load_chat_tokenizer
from app.errors import InputError
from app.evaluation.datasets.reading import read_dataset, spread
from app.evaluation.schema import Interval, Record
from app.evaluation.scoring import Scorer
from app.evaluation.statistics import Drawn, mean_over_tracks, percentile, score_interval
from app.evaluation.summaries import summarise_tasks, summarise_tracks
from app.predictor import create_predictor
from app.prompting import PromptLibrary
from app.settings import ROOT, Settings
from app.tasks.registry import task_of
from app.types import Prediction, Sample, TaskType

DATA = ROOT / "data" / "sample.jsonl"
PROMPTS = ROOT / "prompts"
ADAPTER = "adapter"
"""The name that an adapter gets in the engine."""


def read_samples(path: Path, limit: int) -> list[Sample]:
    """At most `limit` samples, spread evenly over the file, so that all its tasks are seen.

    Raises:
        InputError: the file cannot be read, or the limit is below 1.
    """
    if limit < 1:
        raise InputError(f"at least one prompt is needed (given: {limit})")
    samples = read_dataset(path).samples
    return [samples[place] for place in spread(len(samples), limit)]


def ask(
    settings: Settings, checkpoint: Path, samples: Sequence[Sample], adapter: Path | None = None
) -> list[Prediction]:
    """What the checkpoint answers to each sample in order, greedily, in the engine that the settings name.

    Raises:
        SetupError: the checkpoint cannot be loaded.
        EngineError: the engine failed.
    """
    changes: dict[str, object] = {"model": str(checkpoint), "task_adapters": {}}
    if adapter is not None:
        changes["engine_settings"] = settings.engine_settings | {"adapters": {ADAPTER: adapter}}
        changes["task_adapters"] = dict.fromkeys(TaskType, ADAPTER)
    with create_predictor(settings.model_copy(update=changes)) as predictor:
        return predictor.predict(sample.question for sample in samples)


def encoded_prompts(
    samples: Sequence[Sample], checkpoint: Path, context: int, *, answers: bool = False
) -> list[list[int]]:
    """The samples' prompts as ids, no longer than the context; with `answers`, the gold answer follows.

    Raises:
        InputError: a label cannot be written, or a prompt does not fit the context.
        SetupError: no tokenizer, or no chat template.
    """
    tokenizer, prompts = load_chat_tokenizer(str(checkpoint)), PromptLibrary(PROMPTS)
    encoded = []
    for sample in samples:
        task = task_of(sample.task_type)
        answer = tokenizer.encode_answer(task.format_target(sample.gold)) if answers else []
        try:
            ids, _ = encode_question(tokenizer, prompts, sample.question, task, context - len(answer))
        except InputError as error:
            raise InputError(f"sample {sample.question.id!r} does not fit the model's context: leave it out") from error
        encoded.append(ids + answer)
    return encoded


class MacroScore(Record):
    """The mean over task types of each type's mean over tasks, as the project's evaluation scores them."""

    score: float
    interval: Interval | None
    """95 %, from questions drawn again within each task; None where all questions of each task score the same."""
    by_type: dict[str, float]
    samples: int
    not_scored: int
    """Samples whose metric could not be computed here (an encoder that is not installed)."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A macro score with its bootstrap distribution, for comparisons on the same questions."""

    macro: MacroScore
    drawn: Drawn


def score_answers(samples: Sequence[Sample], answers: Sequence[str], scorer: Scorer, seed: int = 0) -> Scored:
    """Score answers and sum up over tasks, then over task types.

    Raises:
        InputError: nothing could be scored, or a task mixes task types.
    """
    # A task type is what the evaluation calls a track: the level above tasks.
    placed = [replace(sample, track=sample.task_type.value) for sample in samples]
    scores = scorer.score(placed, answers)
    types, draws = summarise_tracks(summarise_tasks(placed, scores, scorer, seed))
    if not draws:
        raise InputError("no sample could be scored: install the extra 'eval', or give rows with other metrics")
    drawn = mean_over_tracks(list(draws.values()))
    macro = MacroScore(
        score=drawn.estimate,
        interval=score_interval(drawn),
        by_type={name: found.score for name, found in types.items() if found.score is not None},
        samples=len(samples),
        not_scored=sum(score.score is None for score in scores),
    )
    return Scored(macro, drawn)


def paired_interval(first: Scored, second: Scored) -> Interval | None:
    """95 % interval of the second score less the first, both on the same samples with the same seed.

    The questions that were drawn are the same for both, so what they have in common cancels.
    """
    return percentile(replace(second.drawn, draws=second.drawn.draws - first.drawn.draws))
