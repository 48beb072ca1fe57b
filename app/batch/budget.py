"""An answer for every row before the time is up: what may still be asked, and how long it may be."""

from collections.abc import Callable
from dataclasses import dataclass

from app.batch.pace import AnswerKind, Pace

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
        kinds = allowance.kinds
        if tokens < 1:
            return _NOTHING
        if tokens < CONSTRAINED_TOKENS:
            kinds &= _CHOICES
        if tokens < MIN_TEXT_TOKENS:
            kinds -= {AnswerKind.TEXT}
        cap = allowance.text_tokens
        return Allowance(kinds, tokens if cap is None else min(cap, tokens))
