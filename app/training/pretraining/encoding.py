"""From examples to token ids: the serving prompt, the chat template, the answer, and what each token weighs."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerFast

from app.prompting import PromptLibrary
from app.tasks.registry import task_of
from app.training.pretraining.examples import Example
from app.types import Message, Question, TaskType


@dataclass(frozen=True, slots=True)
class Encoded:
    """One example as ids: prompt and answer, and where the question begins in the prompt."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...]
    question_start: int

    def __len__(self) -> int:
        """Tokens of prompt and answer together."""
        return len(self.prompt) + len(self.answer)


class Encoder:
    """Renders questions as the server does and turns them into ids."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, prompts: PromptLibrary, length: int) -> None:
        """`length` is the limit of prompt and answer together, in tokens."""
        self.tokenizer = tokenizer
        self.end = tokenizer.convert_tokens_to_ids(tokenizer.eos_token)
        self._prompts = prompts
        self._length = length
        self._starts = {task_type: self._question_start(task_type) for task_type in TaskType}

    def prompt_text(self, example: Example) -> str:
        """The conversation after the chat template, the assistant's opening included."""
        prompt = example.prompt.strip()
        reading = task_of(example.task_type).read(Question("", prompt))
        return self._render(self._prompts.render(example.task_type, {"question": prompt, **reading.variables}))

    def encode(self, examples: Sequence[Example]) -> list[Encoded]:
        """Ids of every example; a prompt that is too long loses its middle, an answer its end."""
        prompts = self._ids([self.prompt_text(example) for example in examples])
        answers = self._ids([example.target for example in examples])
        encoded = []
        for example, prompt, answer in zip(examples, prompts, answers, strict=True):
            kept = [*answer[: self._length // 3], self.end]
            start = self._starts[example.task_type]
            cut = cut_middle(prompt, self._length - len(kept), start)
            encoded.append(Encoded(tuple(cut), tuple(kept), min(start, len(cut))))
        return encoded

    def _ids(self, texts: list[str]) -> list[list[int]]:
        if not texts:
            return []
        ids: list[list[int]] = self.tokenizer(texts, add_special_tokens=False)["input_ids"]
        return ids

    def _render(self, messages: Sequence[Message]) -> str:
        turns = [{"role": message.role, "content": message.content} for message in messages]
        text: str = self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        return text

    def _question_start(self, task_type: TaskType) -> int:
        texts = [self.prompt_text(Example(question, "", task_type, "")) for question in ("0", "a")]
        first, second = self._ids(texts)
        pairs = zip(first, second, strict=False)
        return next((place for place, (one, other) in enumerate(pairs) if one != other), 0)


def cut_middle(ids: list[int], length: int, start: int) -> list[int]:
    """At most `length` ids: what stands before `start` stays, and then as much from each end as fits."""
    if len(ids) <= length:
        return ids
    room = max(0, length - start)
    tail = (room + 1) // 2
    head = length - tail
    return ids[:head] + ids[len(ids) - tail :]


def choose_targets(
    encoded: Encoded, prompt_weight: float, prompt_fraction: float, rng: random.Random
) -> list[tuple[int, float]]:
    """The positions whose next token is learnt, with its weight.

    An answer's tokens share the square root of their number: a label does not drown among sentences.
    """
    answer_weight = len(encoded.answer) ** -0.5
    first = len(encoded.prompt) - 1
    targets = [(first + place, answer_weight) for place in range(len(encoded.answer))]
    if prompt_weight:
        places = range(max(encoded.question_start, 1) - 1, first)
        targets += [(place, prompt_weight) for place in places if rng.random() < prompt_fraction]
    return targets
