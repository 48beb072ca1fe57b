"""The lines of a batch file: checked all at once before anything is asked, then read one by one."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openai.types import BatchError

from app.errors import InputError
from app.jobs.identity import answer_key
from app.openai.batches import read_line
from app.openai.wire import RequestError
from app.rows import Row, read_objects

ERRORS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Line:
    """One request of a batch; `number` counts from 0."""

    number: int
    custom_id: str
    body: dict[str, Any]

    def key(self, run: bytes) -> bytes:
        """What the answer is stored under, 16 bytes: equal requests of a batch are asked each for itself."""
        return answer_key(run, [self.number, self.custom_id, self.body])

    @property
    def name(self) -> str:
        """A name for this line that is the same whenever the output is written."""
        text = f"{self.number}\0{self.custom_id}".encode()
        return hashlib.blake2b(text, digest_size=12).hexdigest()

    @property
    def weight(self) -> int:
        """How many requests the engine gets: the questions, or the choices (`n`) of a conversation.

        One where the body says nonsense, which its endpoint refuses.
        """
        questions, choices = self.body.get("questions"), self.body.get("n")
        found = len(questions) if isinstance(questions, list) else choices
        return max(1, found) if isinstance(found, int) else 1


@dataclass(frozen=True, slots=True)
class Checked:
    """What a look at a whole file found."""

    total: int
    errors: list[BatchError]


def check(path: Path, endpoint: str, most: int) -> Checked:
    """Look at every line: is it a request, to this endpoint, with a name of its own?"""
    errors: list[BatchError] = []
    names: set[str] = set()
    total = 0
    try:
        for number, data in read_objects(path):
            total += 1
            if total > most:
                return Checked(total, [_error("too_many_requests", f"more than {most} requests: use several files")])
            found = _fault(data, endpoint)
            if found is None:
                name = read_line(data).custom_id
                found = ("duplicate_custom_id", f"custom_id {name[:64]!r} stands twice") if name in names else None
                names.add(name)
            if found is not None:
                errors.append(_error(*found, line=number + 1))
                if len(errors) >= ERRORS_SHOWN:
                    break
    except InputError:
        errors.append(_error("empty_file", "the file holds no request: give one JSON object a line"))
    except UnicodeDecodeError:
        errors.append(_error("invalid_text", "the file is not UTF-8"))
    return Checked(total, errors)


def read(path: Path) -> Iterator[Line]:
    """The lines of a file that was checked."""
    for number, data in read_objects(path):
        line = read_line(data)
        yield Line(number, line.custom_id, line.body)


def _fault(data: object, endpoint: str) -> tuple[str, str] | None:
    if isinstance(data, Row):
        return "invalid_json_line", data.failure.message if data.failure else "not JSON"
    try:
        line = read_line(data)
    except RequestError as refusal:
        return refusal.code, refusal.detail
    if line.url != endpoint:
        return "mismatched_url", f"url is {line.url}, but the batch was made for {endpoint}"
    return None


def _error(code: str, message: str, line: int | None = None) -> BatchError:
    return BatchError(code=code, message=message, line=line)
