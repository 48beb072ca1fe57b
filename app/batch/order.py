"""Results as they finish in, results in the rows' order out."""

from collections import deque
from collections.abc import Callable

from app.batch.result import Result
from app.jsonl import Row

MOST_OPEN = 8192
"""Rows that may be read and not handed on before no more should be read: eight of the intake's windows, which is
more than the engine and the intake hold, and no more memory than a short input takes."""


class InOrder:
    """Hands each result on as soon as those of all earlier rows are there."""

    def __init__(self, sink: Callable[[Result], None]) -> None:
        """`sink` gets every result once."""
        self._sink = sink
        self._expected: deque[int] = deque()
        self._waiting: dict[int, Result] = {}

    @property
    def empty(self) -> bool:
        """Whether every expected result was handed on."""
        return not self._expected

    @property
    def crowded(self) -> bool:
        """Whether many rows wait for one: for its place in the output, or as they ask the same."""
        return len(self._expected) > MOST_OPEN

    def expect(self, row: Row) -> None:
        """This row comes next."""
        self._expected.append(row.number)

    def add(self, result: Result) -> None:
        """The result of a row that is expected."""
        self._waiting[result.row.number] = result
        while self._expected and self._expected[0] in self._waiting:
            self._sink(self._waiting.pop(self._expected.popleft()))
