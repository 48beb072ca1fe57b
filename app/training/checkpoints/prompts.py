"""Prompts to calibrate and to compare with: rows of a data file, rendered as serving renders them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from app.config import ROOT
from app.engines.chat import ChatTokenizer, load_chat_tokenizer
from app.errors import InputError
from app.evaluation.datasets.read import read_dataset
from app.predictor import Prepared, QuestionPath
from app.prompting import PromptLibrary
from app.tasks.registry import task_of
from app.types import Message, Sample, TaskType

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


def prepared_of(samples: Sequence[Sample], path: QuestionPath, adapter: str | None = None) -> list[Prepared]:
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

    def __init__(self, model: str, tokenizer: ChatTokenizer, context_length: int) -> None:
        self.model = model
        self.context_length = context_length
        self._tokenizer = tokenizer

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return len(self._tokenizer.encode(messages))

    def close(self) -> None:
        return None
