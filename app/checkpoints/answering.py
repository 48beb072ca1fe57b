"""Checkpoints in the project's engines, one after the other."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean

import numpy as np
from pydantic import BaseModel, ConfigDict

from app.engines.base import Engine, LoadedModel
from app.engines.chat import ChatTokenizer, load_chat_tokenizer
from app.engines.loading import create_engine
from app.errors import InputError
from app.evaluation.datasets.reading import read_dataset
from app.evaluation.schema import Interval
from app.evaluation.scoring import Scorer
from app.evaluation.statistics import Drawn, mean_over_tasks, mean_over_tracks, percentile, within_scores
from app.evaluation.summaries import summarise_task
from app.predictor import Predictor, Prepared, QuestionPath
from app.prompting import PromptLibrary
from app.settings import ROOT
from app.tasks.registry import task_of
from app.types import Completion, Message, Sample, TaskType

DATA = ROOT / "data" / "sample.jsonl"
PROMPTS = ROOT / "prompts"


def read_samples(path: Path, limit: int) -> list[Sample]:
    """At most `limit` samples, spread evenly over the file, so that all its tasks are seen.

    Raises:
        InputError: the file cannot be read, or the limit is below 1.
    """
    if limit < 1:
        raise InputError(f"at least one prompt is needed (given: {limit})")
    samples = read_dataset(path).samples
    count = min(limit, len(samples))
    return [samples[number * len(samples) // count] for number in range(count)]


def prepared_of(
    samples: Sequence[Sample], path: QuestionPath[LoadedModel], adapter: str | None = None
) -> list[Prepared]:
    """The samples on their way to an engine, numbered in order, each asked as its own task.

    Raises:
        InputError: a prompt cannot be made to fit the model's context.
    """
    found = []
    for number, sample in enumerate(samples):
        prepared = path.prepare(sample.question, str(number), task_of(sample.task_type))
        if not isinstance(prepared, Prepared):
            raise InputError(f"sample {sample.question.id!r} does not fit the model's context: leave it out")
        found.append(replace(prepared, request=replace(prepared.request, adapter=adapter)))
    return found


def encoded_prompts(
    samples: Sequence[Sample], checkpoint: Path, context: int, *, answers: bool = False
) -> list[list[int]]:
    """The samples' prompts as ids, no longer than the context; with `answers`, the gold answer follows.

    Raises:
        InputError: a label cannot be written, or a prompt does not fit the context.
        SetupError: no tokenizer, or no chat template.
    """
    tokenizer = load_chat_tokenizer(str(checkpoint))
    model = _TokenizerOnly(str(checkpoint), tokenizer, context)
    prepared = prepared_of(samples, QuestionPath(model, PromptLibrary(PROMPTS)))
    encoded = [tokenizer.encode(one.request.messages) for one in prepared]
    if not answers:
        return encoded
    return [
        (ids + tokenizer.encode_answer(_target(sample)))[:context] for ids, sample in zip(encoded, samples, strict=True)
    ]


def _target(sample: Sample) -> str:
    gold = sample.gold
    # Generation may list several references: one of them is what is taught.
    if isinstance(gold, list) and gold and sample.task_type is TaskType.GENERATION:
        gold = gold[0]
    return task_of(sample.task_type).format_target(gold)


class _TokenizerOnly:
    """What rendering asks of a model, without one."""

    name = "tokenizer"
    version = ""
    adapters = ()

    def __init__(self, model: str, tokenizer: ChatTokenizer, context_length: int) -> None:
        self.model = model
        self.context_length = context_length
        self._tokenizer = tokenizer

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return len(self._tokenizer.encode(messages))

    def close(self) -> None:
        return None


ADAPTER = "adapter"
"""The name that an adapter gets in the engine."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A model's completion for one sample, and the answer that the evaluator would read."""

    completion: Completion
    answer: str


@dataclass(frozen=True, slots=True)
class Running:
    """How to run a checkpoint: an engine by name, and what is set on it."""

    engine: str = "vllm"
    settings: Mapping[str, object] = field(default_factory=dict)
    prompts: Path = PROMPTS

    @contextmanager
    def load(self, checkpoint: Path, adapter: Path | None = None) -> Iterator[Engine]:
        """The checkpoint in its engine, closed at the end.

        Raises:
            SetupError: it cannot be loaded.
        """
        adapters = {} if adapter is None else {"adapters": {ADAPTER: adapter}}
        engine = create_engine(self.engine, checkpoint, dict(self.settings) | adapters)
        try:
            yield engine
        finally:
            engine.close()

    def ask(self, checkpoint: Path, samples: Sequence[Sample], adapter: Path | None = None) -> list[Asked]:
        """What the checkpoint answers to each sample, greedily, in order.

        Raises:
            InputError: a prompt does not fit the context.
            SetupError: the checkpoint cannot be loaded.
            EngineError: the engine failed.
        """
        with self.load(checkpoint, adapter) as engine:
            path = QuestionPath(engine, PromptLibrary(self.prompts))
            prepared = prepared_of(samples, path, None if adapter is None else ADAPTER)
            found = {int(one.id): one for one in engine.generate([one.request for one in prepared])}
            return [Asked(found[n], path.finish(one, found[n]).answer or "") for n, one in enumerate(prepared)]


class MacroScore(BaseModel):
    """The mean over task types of each type's mean over tasks, as the project's evaluation scores them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

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


def answer_samples(
    predictor: Predictor, samples: Sequence[Sample], advance: Callable[[int], None] = lambda _: None
) -> list[str]:
    """The predictor's answers, in order; `advance` is told of each one."""
    answers = [""] * len(samples)
    for number, prediction in predictor.stream((n, sample.question) for n, sample in enumerate(samples)):
        answers[number] = prediction.answer or ""
        advance(1)
    return answers


def score_answers(samples: Sequence[Sample], answers: Sequence[str], scorer: Scorer, seed: int = 0) -> Scored:
    """Score answers and sum up over tasks, then over task types.

    Raises:
        InputError: nothing could be scored, or a task mixes task types.
    """
    scores = scorer.score(samples, answers)
    positions: dict[str, list[int]] = defaultdict(list)
    for position, sample in enumerate(samples):
        positions[sample.task_name].append(position)
    drawn: dict[str, list[Drawn]] = defaultdict(list)
    for inside in positions.values():
        summary = summarise_task([samples[n] for n in inside], [scores[n] for n in inside], scorer, seed)
        if summary.drawn is not None:
            drawn[summary.score.task_type.value].append(summary.drawn)
    if not drawn:
        raise InputError("no sample could be scored: install the extra 'eval', or give rows with other metrics")
    types = {name: mean_over_tasks(tasks) for name, tasks in drawn.items()}
    macro = mean_over_tracks(list(types.values()))
    by_type = {name: one.estimate for name, one in types.items()}
    return Scored(
        MacroScore(
            score=fmean(by_type.values()),
            interval=within_scores(percentile(macro)),
            by_type=by_type,
            samples=len(samples),
            not_scored=sum(score.score is None for score in scores),
        ),
        macro,
    )


def paired_interval(first: Scored, second: Scored) -> Interval | None:
    """95 % interval of the second score less the first, both on the same samples with the same seed.

    The questions that were drawn are the same for both, so what they have in common cancels.
    """
    draws = second.drawn.draws - first.drawn.draws
    if np.ptp(draws) == 0:
        return None
    low, high = np.quantile(draws, [0.025, 0.975])
    return Interval(low=float(low), high=float(high), method="stratified bootstrap")
