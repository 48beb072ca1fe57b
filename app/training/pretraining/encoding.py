"""What a model trained from scratch reads: rows as serving sends them, pages of drills, and what is learnt of each."""

import random
from collections.abc import Iterable
from dataclasses import dataclass

from transformers import PreTrainedTokenizerFast

from app.engines.chat import ChatTokenizer
from app.prompting import PromptLibrary
from app.training.encoding import RowEncoder
from app.training.pretraining.drills import Page
from app.training.pretraining.tokenizer import TURN_START
from app.training.row import Capability, TrainingRow
from app.types import TaskType

PAGE_WEIGHT = 2.0
"""What a page of drills weighs against a row whose answer is one token, before the root of the number asked."""
MOST_PAGE_WEIGHT = 6.0
"""What a page of many answers weighs at most."""
NUMBERS_WEIGHT = 3.0
"""The same for rows that are answered with numbers of a list, which say little against the words of the others."""
NUMBERS = frozenset({TaskType.MULTIPLE_CHOICE, TaskType.RANKING, TaskType.RETRIEVAL})


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids; the places whose next token is asked for; and the range whose next tokens may be learnt beside."""

    tokens: tuple[int, ...]
    asked: tuple[int, ...]
    weight: float
    """Loss weight of each asked token."""
    read: range = range(0)

    def __len__(self) -> int:
        """Tokens in all."""
        return len(self.tokens)

    def targets(self, read_weight: float, read_fraction: float, rng: random.Random) -> list[tuple[int, float]]:
        """The places whose next token is learnt, with its weight; of those that are only read, a random share."""
        places = [(place, self.weight) for place in self.asked]
        if read_weight:
            places += [(place, read_weight) for place in self.read if rng.random() < read_fraction]
        return places


class Encoder:
    """Turns rows and pages into ids."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, prompts: PromptLibrary, length: int) -> None:
        """`length` is the limit of a row or a page, in tokens."""
        self._tokenizer = tokenizer
        self._rows = RowEncoder(ChatTokenizer(tokenizer, (_end_of(tokenizer),)), prompts, length)
        self._length = length
        self._start: int = tokenizer.convert_tokens_to_ids(TURN_START)
        self._frames = {task_type: self._frame(task_type) for task_type in TaskType}

    @property
    def end(self) -> int:
        """The token that ends every answer."""
        return self._rows.end_id

    def row(self, row: TrainingRow) -> Encoded:
        """A row; its answer's tokens share the square root of their number: a label does not drown among sentences.

        Raises:
            InputError: the answer is empty, or too long to stand beside the instructions.
        """
        encoded = self._rows.encode(row)
        first = len(encoded.prompt) - 1
        asked = tuple(range(first, first + len(encoded.answer)))
        read = range(min(len(self._frames[row.task_type]), first), first)
        weight = NUMBERS_WEIGHT if row.task_type in NUMBERS else 1.0
        return Encoded((*encoded.prompt, *encoded.answer), asked, weight * len(asked) ** -0.5, read)

    def page(self, page: Page) -> Encoded:
        """A page of drills behind its frame, or the token that opens a conversation; what exceeds the length is cut."""
        spans, length = [], 0
        for segment in page.segments:
            if segment.asked:
                spans.append((length, length + len(segment.text)))
            length += len(segment.text)
        encoding = self._tokenizer(page.text, add_special_tokens=False, return_offsets_mapping=True)
        opening = (self._start,) if page.frame is None else self._frames[page.frame]
        tokens = (*opening, *encoding["input_ids"])[: self._length]
        before = len(opening) - 1
        places = (before + place for place in _inside(spans, encoding["offset_mapping"]))
        asked = tuple(place for place in places if place + 1 < self._length)
        count = max(1, len(asked))
        return Encoded(tokens, asked, min(PAGE_WEIGHT * count**-0.5, MOST_PAGE_WEIGHT / count))

    def _frame(self, task_type: TaskType) -> tuple[int, ...]:
        """What stands before the question in every prompt of the type."""
        first, second = (self._rows.encode(_probe(text, task_type)).prompt for text in ("0", "a"))
        pairs = zip(first, second, strict=False)
        return first[: next((place for place, (one, other) in enumerate(pairs) if one != other), 0)]


def _end_of(tokenizer: PreTrainedTokenizerFast) -> int:
    end: int = tokenizer.convert_tokens_to_ids(tokenizer.eos_token)
    return end


def _probe(prompt: str, task_type: TaskType) -> TrainingRow:
    return TrainingRow(prompt, "0", "0", "", task_type, "", Capability.CONCEPT_UNDERSTANDING, "", "")


def _inside(spans: list[tuple[int, int]], offsets: Iterable[tuple[int, int]]) -> list[int]:
    """The tokens that touch a span; both are in order."""
    found, place = [], 0
    for number, (start, stop) in enumerate(offsets):
        while place < len(spans) and spans[place][1] <= start:
            place += 1
        if place < len(spans) and stop > spans[place][0]:
            found.append(number)
    return found
