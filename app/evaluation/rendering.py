"""The prompts behind a file of answers, rendered again without an engine."""

from collections.abc import Sequence
from dataclasses import replace

from app.evaluation.predictions import Answered, Joined
from app.prompting import PromptLibrary
from app.tasks.registry import task_of
from app.types import Message, Outcome, Question, Sample


def with_prompts(joined: Joined, samples: Sequence[Sample], prompts: PromptLibrary) -> Joined:
    """Add to each answer the conversation that asked for it, where it was asked with these very prompts.

    An answer from other prompts, or whose prompt was cut to fit a context, stays without.
    """
    pairs = zip(joined.answers, samples, strict=True)
    return replace(joined, answers=[_with_prompt(answered, sample, prompts) for answered, sample in pairs])


def _with_prompt(answered: Answered | None, sample: Sample, prompts: PromptLibrary) -> Answered | None:
    if answered is None or answered.task_type is None or answered.rendered is not None:
        return answered
    if answered.fingerprint != prompts.fingerprint or answered.outcome is Outcome.TRUNCATED:
        return answered
    return replace(answered, rendered=_render(answered, sample.question, prompts))


def _render(answered: Answered, question: Question, prompts: PromptLibrary) -> tuple[Message, ...] | None:
    if answered.task_type is None:
        return None
    variables = task_of(answered.task_type).read(question).variables
    return prompts.render(answered.task_type, {"question": question.prompt.strip(), **variables})
