"""Rows in, jobs out, in an order in which prompts share their beginnings."""

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from app.jobs.formats.base import Arriving
from app.jobs.job import Job, Result, chat_job, question_job, unanswerable
from app.openai.wire import RequestError
from app.predictor import Predictor
from app.rows import Row
from app.types import Failure

WINDOW = 1024
"""Rows that are put in order at a time. Each row waits for two windows at most."""
IDLE_SECONDS = 0.1
"""Between two looks at whether to stop, while no row comes."""


class Intake:
    """Reads ahead by one window and puts it in order of type and text, while the window before is asked.

    One row is read for each job that leaves, so that the engine never waits for a window to fill. Of rows that
    arrive one by one, those that are there make the window.
    """

    def __init__(
        self,
        predictor: Predictor,
        run: bytes,
        rows: Iterable[Row],
        take: Callable[[Job | Result], bool],
        place: Callable[[Job], tuple[int, str, str]],
    ) -> None:
        """Read nothing yet.

        Args:
            predictor: prepares the rows.
            run: the digest of the run's identity.
            rows: the input.
            take: sees each row once, as it is read, and says whether it has to be asked.
            place: a job's place in its window.
        """
        self._predictor = predictor
        self._run = run
        self._rows = iter(rows)
        self._take = take
        self._place = place
        self._numbers = itertools.count()
        self._current: deque[Job] = deque()
        self._upcoming: list[Job] = []
        self._read = 0
        self._exhausted = False

    @property
    def empty(self) -> bool:
        """Whether all rows were read and all jobs have left."""
        return self._exhausted and not self._current and not self._upcoming

    def next(self, pause: Callable[[], bool] = lambda: False, busy: Callable[[], bool] = lambda: False) -> Job | None:
        """The next job; None at the end of the rows, and as soon as `pause` says so.

        While the engine is `busy`, None also says that no row is there yet, or that a whole window had none to ask:
        the engine must not stand still for what is read meanwhile.
        """
        if not pause() and self._arrived(0):
            self._read_one()
        while not self._current:
            while self._read < WINDOW and not self._exhausted and not pause() and self._arrived(0):
                self._read_one()
            if pause() or self.empty:
                return None
            self._read = 0
            self._current = deque(sorted(self._upcoming, key=self._place))
            self._upcoming = []
            if not self._current and busy():
                return None
            if not self._current:
                self._arrived(IDLE_SECONDS)
        return self._current.popleft()

    def peek(self, pause: Callable[[], bool] = lambda: False) -> Job | None:
        """The next job, which stays; None as for `next`."""
        job = self.next(pause)
        if job is not None:
            self._current.appendleft(job)
        return job

    def drain(self) -> list[Job]:
        """All jobs of rows that were read."""
        jobs = [*self._current, *self._upcoming]
        self._current.clear()
        self._upcoming.clear()
        return jobs

    def rest(self) -> Iterator[Row]:
        """The rows that were not read, as they are; none is left afterwards."""
        yield from self._rows
        self._exhausted = True

    def job(self, row: Row) -> Job | Result:
        """The job that asks a row, or the result of one that cannot be asked."""
        number = str(next(self._numbers))
        try:
            if row.question is not None:
                return question_job(self._predictor, self._run, row, row.question, number)
            if row.chat is not None:
                return chat_job(self._predictor, self._run, row, row.chat, number)
        except RequestError as refusal:
            return unanswerable(row, Failure(refusal.code, f"{row.where}: {refusal.detail}"))
        return unanswerable(row)

    def _arrived(self, seconds: float) -> bool:
        return not isinstance(self._rows, Arriving) or self._rows.ready(seconds)

    def _read_one(self) -> None:
        if self._exhausted or self._read >= WINDOW:
            return
        row = next(self._rows, None)
        if row is None:
            self._exhausted = True
            return
        self._read += 1
        job = self.job(row)
        if self._take(job) and isinstance(job, Job):
            self._upcoming.append(job)


MOST_OPEN = 8192
"""Rows that may be read and not handed on before no more should be read: eight of the intake's windows, which is
more than the engine and the intake hold, and no more memory than a short input takes."""


class InOrder:
    """Hands each result on as soon as those of all earlier rows are there."""

    def __init__(self, sink: Callable[[Result], None], most_open: int) -> None:
        """`sink` gets every result once; `most_open` rows may wait for one another, and a few more."""
        self._sink = sink
        self._most_open = most_open
        self._expected: deque[int] = deque()
        self._waiting: dict[int, Result] = {}

    @property
    def empty(self) -> bool:
        """Whether every expected result was handed on."""
        return not self._expected

    @property
    def crowded(self) -> bool:
        """Whether many rows wait for one: for its place in the output, or as they ask the same."""
        return len(self._expected) > self._most_open

    def expect(self, row: Row) -> None:
        """This row comes next."""
        self._expected.append(row.number)

    def add(self, result: Result) -> None:
        """The result of a row that is expected."""
        self._waiting[result.row.number] = result
        while self._expected and self._expected[0] in self._waiting:
            self._sink(self._waiting.pop(self._expected.popleft()))
