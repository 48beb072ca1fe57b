"""What a run did, in numbers."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from app.batch.result import Origin, Result
from app.batch.run import Ending
from app.types import Failure, Outcome, TaskType

SHOWN = 3


@dataclass(slots=True)
class Summary:
    """Counts over the rows that were answered, and how the run ended.

    `seconds` counts from the first row, without loading the engine; `total` is None where the rows could not
    be counted before.
    """

    total: int | None
    kept_in: Path | None = None
    """Where the answers are kept, to go on from."""
    counts: Counter[tuple[TaskType | None, Outcome]] = field(default_factory=Counter)
    origins: Counter[Origin] = field(default_factory=Counter)
    uncounted: int = 0
    """Rows that have their result, which nobody looked at."""
    errors: int = 0
    first_failures: list[Failure] = field(default_factory=list)
    """Of the first `SHOWN` rows that failed."""
    seconds: float = 0.0
    ending: Ending = Ending.FINISHED
    exit_code: int = 0
    """What a signal that stopped the run asks for, or 0."""

    @property
    def rows(self) -> int:
        """Rows that have their result."""
        return self.counts.total() + self.uncounted

    @property
    def rate(self) -> float:
        """Rows a second, without those that the journal had."""
        return (self.rows - self.origins[Origin.RESUMED]) / self.seconds if self.seconds else 0.0

    def add(self, result: Result) -> None:
        """Count one result."""
        self.counts[result.prediction.task_type, result.prediction.outcome] += 1
        self.origins[result.origin] += 1
        failure = result.prediction.error
        if failure is not None:
            self.errors += 1
            if len(self.first_failures) < SHOWN:
                self.first_failures.append(failure)
