"""Training rows as token ids: the conversation that serving sends, then the answer with its end."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.data.row import TrainingRow
from app.errors import InputError
from app.fitting import fit
from app.forms import PLAIN, Asking
from app.prompting import PromptLibrary
from app.settings import Form
from app.tasks.base import Task
from app.tasks.registry import task_of
from app.types import Question, TaskType

if TYPE_CHECKING:
    from app.engines.chat import ChatTokenizer


@dataclass(frozen=True, slots=True)
class EncodedRow:
    """One row as ids. The answer ends with the token that ends a turn."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...]
    shortened: bool
    """Whether the prompt's data was cut, as serving cuts it, to make room for the whole answer."""

    def __len__(self) -> int:
        """Tokens of prompt and answer together."""
        return len(self.prompt) + len(self.answer)


def encode_question(
    tokenizer: "ChatTokenizer", prompts: PromptLibrary, question: Question, task: Task, room: int, form: Form = PLAIN
) -> tuple[list[int], bool]:
    """The ids of the conversation that asks, its prompt's data cut to `room` tokens; and whether it was cut.

    Raises:
        InputError: the prompt's instructions alone are longer.
        SetupError: a template uses a variable that the task does not provide.
    """
    asking = Asking(task, task.read(question), form, prompts)

    def encode(text: str) -> list[int]:
        return tokenizer.encode(asking.messages(text))

    text, shortened = fit((asking.text or question.prompt).strip(), lambda text: len(encode(text)) <= room)
    return encode(text), shortened


class RowEncoder:
    """Turns rows into ids exactly as the engines turn questions into ids."""

    def __init__(
        self,
        tokenizer: "ChatTokenizer",
        prompts: PromptLibrary,
        max_length: int,
        forms: Mapping[TaskType, Form] | None = None,
    ) -> None:
        """`max_length` is the limit of prompt and answer together, in tokens; `forms` those that differ by type."""
        self._forms = forms or {}
        self._tokenizer = tokenizer
        self._prompts = prompts
        self._max_length = max_length

    @property
    def end_id(self) -> int:
        """The token that every answer ends with."""
        return self._tokenizer.encode_answer("")[-1]

    def encode(self, row: TrainingRow) -> tuple[EncodedRow, ...]:
        """The ids of one row, its prompt cut where it leaves no room for the answer; one for each text to be learnt.

        Raises:
            InputError: the answer is empty, or there is no room for it beside the prompt's instructions.
            SetupError: as `encode_question`.
        """
        if not row.target.strip():
            raise InputError("its target is empty: there is nothing to learn")
        question, task = row.sample.question, task_of(row.task_type)
        form = self._forms.get(row.task_type, PLAIN)
        encoded = []
        for target in Asking(task, task.read(question), form, self._prompts).targets(row.sample.gold, row.target):
            answer = self._tokenizer.encode_answer(target)
            room = self._max_length - len(answer)
            prompt, shortened = encode_question(self._tokenizer, self._prompts, question, task, room, form)
            encoded.append(EncodedRow(tuple(prompt), tuple(answer), shortened))
        return tuple(encoded)
