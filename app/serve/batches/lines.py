"""The lines of a batch file: checked all at once before anything is asked, read one by one, and written answered."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from openai.types import BatchError

from app.errors import InputError
from app.files import dump, open_bytes
from app.jobs.identity import answer_key
from app.jobs.store import Store
from app.openai.batches import read_line
from app.openai.wire import RequestError, are_tokens
from app.serve.batches.state import OK, write_content
from app.tables.raw import RawRow
from app.tables.readers import JSON, read_raw

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
        """How many requests the engine gets: the questions, or the choices (`n`) of a conversation or of each prompt.

        One where the body says nonsense, which its endpoint refuses.
        """
        questions, prompts, choices = (self.body.get(name) for name in ("questions", "prompt", "n"))
        if isinstance(questions, list):
            return max(1, len(questions))
        found = choices if isinstance(choices, int) else 1
        if isinstance(prompts, list) and not are_tokens(prompts):
            found *= len(prompts)
        return max(1, found)


def check(
    path: Path, endpoint: str, most: int, longest: int | None = None, largest: int | None = None
) -> tuple[int, list[BatchError]]:
    """How many lines there are, and what is wrong: is each a request, to this endpoint, with a name of its own?

    `longest` is how many bytes a line may have; what is longer is not looked into. Neither is a file that holds more
    than `largest` bytes, which one of gzip may.
    """
    errors: list[BatchError] = []
    names: set[str] = set()
    total = 0
    try:
        if largest is not None and _holds_more(path, largest):
            message = f"unpacked the file is larger than {largest} bytes: split it into several files"
            return total, [_error("file_too_large", message)]
        for row in read_raw(path, JSON, longest=longest):
            total += 1
            if total > most:
                return total, [_error("too_many_requests", f"more than {most} requests: use several files")]
            found = _fault(row, endpoint)
            if found is None:
                name = read_line(row.values).custom_id
                if name in names:
                    found = _error("duplicate_custom_id", f"custom_id {name[:64]!r} stands twice", row, "custom_id")
                names.add(name)
            if found is not None:
                errors.append(found)
                if len(errors) >= ERRORS_SHOWN:
                    break
        if not total:
            errors.append(_error("empty_file", "the file holds no request: give one JSON object a line"))
    except InputError as error:
        errors.append(_error("invalid_file", str(error).replace(str(path), "the file")))
    return total, errors


def _holds_more(path: Path, most: int) -> bool:
    with open_bytes(path) as file:
        while most >= 0 and (piece := file.read(1 << 20)):
            most -= len(piece)
    return most < 0


def read(path: Path) -> Iterator[Line]:
    """The lines of a file that was checked."""
    for row in read_raw(path, JSON):
        line = read_line(row.values)
        yield Line(row.index, line.custom_id, line.body)


def _fault(row: RawRow, endpoint: str) -> BatchError | None:
    if row.fault is not None:
        codes = {"invalid_row": "invalid_request", "row_too_large": "body_too_large"}
        return _error(codes.get(row.fault.code, "invalid_json_line"), row.fault.message, row)
    try:
        line = read_line(row.values)
    except RequestError as refusal:
        return _error(refusal.code, refusal.detail, row, refusal.errors[0].field if refusal.errors else None)
    if line.url != endpoint:
        return _error("mismatched_url", f"url is {line.url}, but the batch was made for {endpoint}", row, "url")
    return None


def _error(code: str, message: str, row: RawRow | None = None, field: str | None = None) -> BatchError:
    return BatchError(code=code, message=message, line=None if row is None else row.index + 1, param=field)


@dataclass(slots=True)
class Written:
    """What stands in the two files: bytes by file, 0 where there is none, and lines by what became of them."""

    bytes: Counter[str] = field(default_factory=Counter)
    completed: int = 0
    failed: int = 0
    unasked: int = 0


def write_results(
    lines: Iterable[Line], store: Store, contents: Path, names: tuple[str, str], unasked: tuple[str, str]
) -> Written:
    """Write both files, each where there is something to write into it.

    Args:
        lines: all lines, in order.
        store: what was answered.
        contents: the folder to write into.
        names: the ids of the output file and the error file.
        unasked: code and message for lines without a reply.
    """
    written = Written()
    output, errors = names
    files: dict[str, BinaryIO] = {}
    with ExitStack() as stack:

        def write(name: str, value: dict[str, Any]) -> None:
            if name not in files:
                files[name] = stack.enter_context(write_content(contents / name))
            written.bytes[name] += files[name].write(dump(value).encode() + b"\n")

        for line in lines:
            reply = store.find_reply(line.key(store.digest))
            start = {"id": f"batch_req_{line.name}", "custom_id": line.custom_id}
            if reply is None:
                written.unasked += 1
                write(errors, start | {"response": None, "error": {"code": unasked[0], "message": unasked[1]}})
                continue
            response = {"status_code": reply.status, "request_id": f"req_{line.name}", "body": reply.body}
            answered = start | {"response": response, "error": None}
            if reply.status == OK:
                written.completed += 1
                write(output, answered)
            else:
                written.failed += 1
                write(errors, answered)
    return written
