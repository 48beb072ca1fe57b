"""An answer for every row before the time is up: what may still be asked, and how long it may be."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from app.types import Choice, GenerationRequest, Texts

PROMPT_TOKENS_PER_OUTPUT_TOKEN = 16.0
"""Prompt tokens that take as long as one output token, roughly: prompts are read many tokens at a time."""
MEMORY_SECONDS = 30.0
"""Older measurements fade with this time constant."""
GAP_MEMORY_SECONDS = 10.0
"""The pause before the first answers is the longest, and does not come back."""
SEVERAL_TOKENS = 4
"""Output tokens from which the wait for the first one matters little."""
PRIOR_ROWS = 4
"""So many answers of full length are taken for granted before the first one is seen."""
KNOWN_ROWS = 16
"""Finished rows from which a rate means something."""


class AnswerKind(StrEnum):
    """What an answer costs: one pass over the prompt, a few tokens, or as many as the cap allows."""

    CHOICE = "choice"
    CONSTRAINED = "constrained"
    TEXT = "text"

    @classmethod
    def of(cls, request: GenerationRequest) -> "AnswerKind":
        """The kind that a request's constraint stands for."""
        if request.constraint is None:
            return cls.TEXT
        return cls.CHOICE if isinstance(request.constraint, Choice | Texts) else cls.CONSTRAINED


@dataclass(slots=True)
class _Mean:
    total: float = 0.0
    count: int = 0

    def add(self, value: float) -> None:
        self.total += value
        self.count += 1

    @property
    def value(self) -> float:
        return self.total / self.count if self.count else 0.0


@dataclass(slots=True)
class _Cost:
    prompt: _Mean = field(default_factory=_Mean)
    output: _Mean = field(default_factory=_Mean)
    cap: _Mean = field(default_factory=_Mean)

    @property
    def output_tokens(self) -> float:
        """Between the cap, when nothing was seen, and the mean of what was: the shortest answers end first."""
        seen = self.output.count
        return (self.output.total + PRIOR_ROWS * self.cap.value) / (seen + PRIOR_ROWS)


class Pace:
    """Rates and costs, in a unit of work that is one output token.

    Times come from the caller's clock, in seconds. One pace may outlive several batches: `resume` tells that
    the engine stood idle until now.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._at = clock()
        self._work = 0.0
        self._seconds = 0.0
        self._seen: dict[AnswerKind, int] = dict.fromkeys(AnswerKind, 0)
        self._costs = {kind: _Cost() for kind in AnswerKind}
        self.finished_rows = 0
        self.first_token_seconds = 0.0
        """The longest wait for an answer of one token, lately."""
        self.seconds_per_token = 0.0
        """The slowest that a longer answer got one more token, lately."""
        self.longest_gap = 0.0
        """The longest time between two answers, lately."""
        self.longest_step = 0.0
        """The longest time between two steps of the engine, lately."""
        self._stepped_at = self._at

    @property
    def known(self) -> bool:
        """Whether enough has been seen to project."""
        return self.finished_rows >= KNOWN_ROWS and self._seconds > 0 and self._work > 0

    @property
    def rate(self) -> float:
        """Work a second, lately."""
        return self._work / self._seconds

    def resume(self) -> None:
        """The engine was idle until now."""
        self._at = self._stepped_at = self._clock()

    def stepped(self) -> None:
        """The engine has made a step, whether an answer ended with it or not."""
        now = self._clock()
        step, self._stepped_at = now - self._stepped_at, now
        self.longest_step = max(self.longest_step * math.exp(-step / GAP_MEMORY_SECONDS), step)

    def saw(self, kind: AnswerKind, max_tokens: int) -> None:
        """Count a row that is to be asked: the mix of what is still to come is taken to be the same."""
        self._seen[kind] += 1
        self._costs[kind].cap.add(max_tokens)

    def finished(
        self, kind: AnswerKind, prompt_tokens: int, output_tokens: int, asked_at: float, *, shortened: bool
    ) -> None:
        """Learn from one answer. What shortened answers cost says nothing about whole ones."""
        now = self._clock()
        gap, self._at = now - self._at, now
        fade = math.exp(-gap / MEMORY_SECONDS)
        self._work = self._work * fade + prompt_tokens / PROMPT_TOKENS_PER_OUTPUT_TOKEN + output_tokens
        self._seconds = self._seconds * fade + gap
        self.longest_gap = max(self.longest_gap * math.exp(-gap / GAP_MEMORY_SECONDS), gap)
        self.seconds_per_token *= fade
        if output_tokens >= SEVERAL_TOKENS:
            self.seconds_per_token = max(self.seconds_per_token, (now - asked_at) / output_tokens)
        else:
            self.first_token_seconds = max(self.first_token_seconds * fade, now - asked_at)
        self.finished_rows += 1
        self._costs[kind].prompt.add(prompt_tokens)
        if not shortened:
            self._costs[kind].output.add(output_tokens)

    def probed(self, seconds: float) -> None:
        """Take the time of a one-token answer as the time of a token, until better is known."""
        self.first_token_seconds = self.seconds_per_token = seconds

    def mean_work(self, kinds: Iterable[AnswerKind], text_tokens: float | None = None) -> float:
        """Work for a row of the mix seen so far, when only `kinds` are asked and texts have `text_tokens`."""
        total = sum(self._seen.values()) or 1
        return sum(self._seen[kind] / total * self._row_work(kind, text_tokens) for kind in kinds)

    def share(self, kind: AnswerKind) -> float:
        """The part of the rows seen so far that is of this kind."""
        return self._seen[kind] / (sum(self._seen.values()) or 1)

    def _row_work(self, kind: AnswerKind, text_tokens: float | None) -> float:
        cost = self._costs[kind]
        output = cost.output_tokens
        if kind is AnswerKind.TEXT and text_tokens is not None:
            output = text_tokens
        return cost.prompt.value / PROMPT_TOKENS_PER_OUTPUT_TOKEN + output


MIN_TEXT_TOKENS = 8
"""A text shorter than this says less than the task's default answer."""
CONSTRAINED_TOKENS = 16
"""Tokens of a ranking, retrieval or entity answer, generously."""
MARGIN = 0.9
"""Part of the time left that is planned for: projections err."""
ROW_SECONDS = 0.001
"""To give one row its default answer and write it; five times what was measured."""
CLOSING_PART = 0.02
"""Part of the limit kept for the end of the file, at least `CLOSING_SECONDS`."""
CLOSING_SECONDS = 1.0
MOST_KEPT = 0.5
"""The reserve never takes more than this part of the limit."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What may be asked now. `text_tokens` caps free text: None is the task's own cap."""

    kinds: frozenset[AnswerKind]
    text_tokens: int | None = None


_ALL = frozenset(AnswerKind)
_BOUND = frozenset({AnswerKind.CHOICE, AnswerKind.CONSTRAINED})
_CHOICES = frozenset({AnswerKind.CHOICE})
_NOTHING = Allowance(frozenset())


class Budget:
    """A time limit over a number of rows.

    As long as the projection fits, everything is asked in full. When it does not, free texts get shorter, then
    they are not asked, then lists and spans are not, and last not even choices; what is not asked gets its
    task's default answer. Projections are made afresh for each row, so that time saved is used again.
    """

    def __init__(self, limit: float, rows: int, pace: Pace, clock: Callable[[], float]) -> None:
        """`limit` seconds from now for `rows` rows; `pace` may know the engine from before."""
        self._limit = limit
        self._clock = clock
        self._deadline = clock() + limit
        self._left = rows
        self._unread = rows
        self._stored = 0
        self.pace = pace
        pace.resume()

    @property
    def expired(self) -> bool:
        """Whether the engine has to be left now, with whatever it has in flight."""
        return self.seconds_left <= 0

    @property
    def seconds_left(self) -> float:
        """Seconds for the engine: the time to the limit, less what writing the rest takes."""
        closing = max(CLOSING_SECONDS, CLOSING_PART * self._limit)
        pause = max(2 * self.pace.longest_gap, self.pace.longest_step)
        reserve = closing + self._left * ROW_SECONDS + pause
        return self._deadline - self._clock() - min(reserve, MOST_KEPT * self._limit)

    def expect_stored(self, rows: int) -> None:
        """So many rows are taken to have their answer already."""
        self._stored = rows

    def read(self, *, stored: bool) -> None:
        """A row was read; whether its answer was one of the stored ones."""
        self._unread = max(0, self._unread - 1)
        if stored:
            self._stored = max(0, self._stored - 1)

    def settle(self, rows: int = 1) -> None:
        """Rows have their answer."""
        self._left = max(0, self._left - rows)

    def allowance(self, pending: int) -> Allowance:
        """What may be asked of the engine from here on, where `pending` rows that were read wait for it."""
        left = self.seconds_left
        if left <= 0:
            return _NOTHING
        to_ask = pending + max(0, self._unread - self._stored)
        return self._in_time(self._by_work(left * MARGIN, to_ask), left)

    def _by_work(self, seconds: float, rows: int) -> Allowance:
        """Does the work of all rows that are still to be asked fit?"""
        pace = self.pace
        if not pace.known or rows == 0:
            return Allowance(_ALL)
        affordable = seconds * pace.rate / rows
        if pace.mean_work(_ALL) <= affordable:
            return Allowance(_ALL)
        share = pace.share(AnswerKind.TEXT)
        if share > 0:
            tokens = (affordable - pace.mean_work(_ALL, text_tokens=0)) / share
            if tokens >= MIN_TEXT_TOKENS:
                return Allowance(_ALL, int(tokens))
        if pace.mean_work(_BOUND) <= affordable:
            return Allowance(_BOUND)
        return Allowance(_CHOICES)

    def _in_time(self, allowance: Allowance, seconds: float) -> Allowance:
        """Does one more answer end in time, if it starts now?"""
        per_token = self.pace.seconds_per_token
        if per_token <= 0:
            return allowance
        tokens = int((seconds - self.pace.first_token_seconds) / per_token)
        if tokens < 1:
            return _NOTHING
        # Texts are given up before lists and spans, so they are not worth asking either.
        kinds = allowance.kinds & _CHOICES if tokens < CONSTRAINED_TOKENS else allowance.kinds
        cap = allowance.text_tokens
        return Allowance(kinds, tokens if cap is None else min(cap, tokens))
