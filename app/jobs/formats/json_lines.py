"""JSON lines: one object a line, in the kit's names or ours."""

from pathlib import Path

from app.files import dump, open_bytes
from app.jobs.formats.base import Format, ResultWriter, as_they_arrive
from app.jobs.job import Result
from app.rows import prediction_row, read_rows


def count(path: Path) -> int:
    """Lines that are not blank."""
    with open_bytes(path) as lines:
        return sum(1 for line in lines if not line.isspace())


class JsonLinesWriter(ResultWriter):
    """A line for each result, as `app.rows.prediction_row` has it."""

    def write(self, result: Result) -> None:
        """Add one line."""
        self._file.write(dump(prediction_row(result.prediction, self._header.prompts)).encode() + b"\n")


JSON_LINES = Format(
    "jsonl", (".jsonl", ".ndjson", ".json", ".txt", ""), as_they_arrive(read_rows), count, JsonLinesWriter
)
