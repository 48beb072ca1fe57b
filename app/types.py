"""The vocabulary of the project: plain values that every layer speaks. Standard library only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal


class TaskType(StrEnum):
    """The five ShopBench task types; the values are the data's own strings."""

    MULTIPLE_CHOICE = "multiple-choice"
    RANKING = "ranking"
    RETRIEVAL = "retrieval"
    NAMED_ENTITY_RECOGNITION = "named_entity_recognition"
    GENERATION = "generation"


class Outcome(StrEnum):
    """How an answer came about, from best to worst."""

    CLEAN = "clean"
    """The model's text was already in the form that the evaluator reads."""
    REPAIRED = "repaired"
    """The form was restored from what the model wrote."""
    SHORTENED = "shortened"
    """A time limit cut the text short."""
    TRUNCATED = "truncated"
    """The prompt had to be cut to fit the context; the answer is from the rest."""
    UNSURE = "unsure"
    """The answer is legal, but a guess: options that are not listed or not to be asked for, or the model meant none."""
    FALLBACK = "fallback"
    """Nothing in the model's text could be read; the answer is the task's default."""
    UNASKED = "unasked"
    """Time ran out before the model was asked; the answer is the task's default."""
    ERROR = "error"
    """There was no question to answer."""


@dataclass(frozen=True, slots=True)
class Question:
    """What the competition's evaluator reveals of a sample, and an identity to join on."""

    id: str
    prompt: str
    is_multiple_choice: bool | None = None
    """The evaluator's mark, which decides; None where nobody says, so that the prompt tells."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A question with its labels, where they are known."""

    question: Question
    task_name: str
    task_type: TaskType
    metric: str
    gold: object
    track: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation, before the chat template."""

    role: Literal["system", "user", "assistant"]
    content: str
    name: str | None = None
    """Who speaks, for chat templates that tell it."""


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How to decode. Greedy unless a temperature is asked for; lengths in tokens.

    `top_p` keeps the most probable tokens that make up so much; the penalties lower a token's score by its count in
    the answer, and for being there at all, as in OpenAI's interface. `logprobs` asks for the log-probability of each
    token of the answer and of so many others, before all of that. With `end_loops` a text ends where it only repeats
    itself, and what it repeats stands once.
    """

    max_tokens: int
    temperature: float = 0.0
    seed: int = 0
    stop: tuple[str, ...] = ()
    top_p: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    logprobs: int | None = None
    end_loops: bool = False

    @property
    def choosing(self) -> dict[str, Any]:
        """What decides about the next token beside its score; empty where the highest is taken."""
        values = {
            "temperature": self.temperature,
            "frequency_penalty": self.frequency_penalty,
            "presence_penalty": self.presence_penalty,
        }
        return {**values, "top_p": self.top_p, "seed": self.seed} if any(values.values()) else {}


@dataclass(frozen=True, slots=True)
class Choice:
    """Exactly one token: one of these single-character labels."""

    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Selection:
    """`count` distinct numbers out of `numbers`, comma-separated; all of them make a permutation."""

    numbers: tuple[int, ...]
    count: int


@dataclass(frozen=True, slots=True)
class Copy:
    """One to `max_spans` different spans that stand in `source`, separated by a comma and a space.

    What counts as a span is said in `app/engines/constraints/copy.py`. A token limit may cut the last one short.
    """

    source: str
    max_spans: int = 1


@dataclass(frozen=True, slots=True)
class Regex:
    """A text that a regular expression matches as a whole."""

    pattern: str


@dataclass(frozen=True, slots=True)
class JsonSchema:
    """JSON without blanks between its parts, of the form that a schema, itself JSON, describes."""

    schema: str


@dataclass(frozen=True, slots=True)
class Texts:
    """One of these texts, whole. Nothing is generated: each is scored by the model's probability of writing it."""

    texts: tuple[str, ...]


TextConstraint = Selection | Copy | Regex | JsonSchema
"""Constraints on texts of many tokens."""
OutputConstraint = Choice | Texts | TextConstraint


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One call of the model. `id` is unique among the requests in flight.

    `variants` are further conversations to be judged beside `messages`, under the same `Choice` or `Texts`: the
    question with its options in another order, or without its content.
    """

    id: str
    messages: tuple[Message, ...]
    sampling: SamplingParams
    constraint: OutputConstraint | None = None
    adapter: str | None = None
    variants: tuple[tuple[Message, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a row has no answer: a stable code for programs and one line for people."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Completion:
    """What the model wrote for one request.

    `label_logprobs` (natural logarithms, before any masking) is filled for a `Choice`, and for `Texts`: of the whole
    text with its end.
    `finish_reason` is "stop", "length", or "error": then the text is empty and `error` says why.
    `logprobs` has what was asked for of each token, as `logprobs.content` of OpenAI's interface has it. `variants` has
    the label log-probabilities of each of the request's variants; text and `label_logprobs` are those of `messages`,
    tokens the sum over all.
    """

    id: str
    text: str
    finish_reason: str
    prompt_tokens: int
    output_tokens: int
    label_logprobs: Mapping[str, float] | None = None
    error: Failure | None = None
    logprobs: Sequence[Mapping[str, Any]] | None = None
    variants: tuple[Mapping[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """The text that the evaluator will read, and how it came about."""

    text: str
    outcome: Outcome = Outcome.CLEAN


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer to one question, with what is worth knowing about it.

    `label_probs` sum to one over the labels; `label_mass` is their sum before normalising, that is,
    how much of the model's own probability fell on a label at all. `answer` is None only beside an `error`.
    `seconds` runs from handing the question to the engine until its answer was there.
    """

    id: str
    task_type: TaskType | None
    answer: str | None
    outcome: Outcome
    raw: str = ""
    label_probs: Mapping[str, float] | None = None
    label_mass: float | None = None
    error: Failure | None = None
    seconds: float = 0.0
