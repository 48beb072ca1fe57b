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

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    name: str | None = None
    """Who speaks, for chat templates that tell it."""
    calls: str = ""
    """The calls of tools that the assistant made, as JSON."""
    call_id: str = ""
    """Of a tool's answer: to which call."""


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How to decode. Greedy unless a temperature is asked for; lengths in tokens.

    `top_p` keeps the most probable tokens that make up so much; the penalties lower a token's score by its count in
    the answer, and for being there at all, as in OpenAI's interface. `logprobs` asks for the log-probability of each
    token of the answer and of so many others, before all of that. With `end_loops` a text ends where it only repeats
    itself, and what it repeats stands once.

    `top_k` keeps so many of the most probable tokens (0: all), `min_p` those that are at least so probable as the most
    probable one times this; `repetition_penalty` divides the scores of tokens that the prompt or the answer has, and
    `logit_bias` is added to those of tokens by their numbers: as in vLLM. `stop_token_ids` end an answer as the model's
    own end does, which `ignore_eos` passes over.
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
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    logit_bias: tuple[tuple[int, float], ...] = ()
    stop_token_ids: tuple[int, ...] = ()
    ignore_eos: bool = False

    @property
    def choosing(self) -> dict[str, Any]:
        """What decides about the next token beside its score, where it does; empty where the highest is taken."""
        changing = {
            "temperature": (self.temperature, 0.0),
            "frequency_penalty": (self.frequency_penalty, 0.0),
            "presence_penalty": (self.presence_penalty, 0.0),
            "repetition_penalty": (self.repetition_penalty, 1.0),
            "logit_bias": (self.logit_bias, ()),
        }
        values: dict[str, Any] = {name: value for name, (value, idle) in changing.items() if value != idle}
        if self.temperature:
            values |= {"top_p": self.top_p, "top_k": self.top_k, "min_p": self.min_p, "seed": self.seed}
        return values


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

    A `prompt` stands in the place of messages: a text whose special tokens are read as such, or tokens, without a chat
    template. With `echo` the completion's text and `logprobs` begin with the prompt's, and `max_tokens` may be 0.
    `tools` is what the chat template shows of them, as JSON.
    """

    id: str
    messages: tuple[Message, ...]
    sampling: SamplingParams
    constraint: OutputConstraint | None = None
    adapter: str | None = None
    variants: tuple[tuple[Message, ...], ...] = ()
    prompt: str | tuple[int, ...] | None = None
    echo: bool = False
    tools: str = ""


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
    `logprobs` has what was asked for of each token, as `logprobs.content` of OpenAI's interface has it; the first token
    of an echoed prompt has none. `variants` has
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
