"""The OpenAI batch file: `custom_id`, `method`, `url` and `body` a line, in; `response` or `error` a line, out.

The shapes are those of the published OpenAPI document (BatchRequestInput, BatchRequestOutput), for three addresses:
`/v1/chat/completions` and `/v1/completions`, what goes to the model as it is, and `/v1/predict`, questions, which are
routed and constrained. A line means here what it means to the server, see `app/openai`.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from app.errors import InputError
from app.files import dump, open_bytes
from app.jobs.formats.base import Format, Header, ResultWriter, as_they_arrive
from app.jobs.job import Result, Usage
from app.openai.batches import MODELS, read_line
from app.openai.request import Limits, ModelRequest
from app.openai.wire import RequestError, read_body
from app.rows import Row, prediction_row, read_predict_line
from app.tables.raw import RawRow, encodes
from app.tables.readers import JSON, read_raw
from app.types import Completion, Failure, Question

LIMITS = Limits()


def read(path: Path) -> Iterator[Row]:
    """The lines of a file, a row for each answer that they ask for; a line that is no request is a failed row.

    Raises:
        InputError: the file cannot be read, or holds no line at all.
    """
    number = 0
    for raw in read_raw(path, JSON):
        for row in _rows(raw, number):
            yield row
            number += 1
    if not number:
        raise InputError(f"{path} is empty: give one request a line")


def count(path: Path) -> int:
    """Rows that `read` will give. Only lines that may ask for several answers are parsed."""
    with open_bytes(path) as lines:
        return sum(_answers(line) for line in lines if not line.isspace())


def is_batch_line(data: object) -> bool:
    """Whether a JSON value looks like a line of such a file."""
    return isinstance(data, dict) and {"custom_id", "body"} <= data.keys()


class OpenAIBatchWriter(ResultWriter):
    """A line for each line of the input: `response` with the body that the server would have sent, or `error`."""

    def __init__(self, file: BinaryIO, header: Header) -> None:
        super().__init__(file, header)
        self._parts: list[Result] = []

    def write(self, result: Result) -> None:
        """Add a result; the line is written with the last of its answers."""
        self._parts.append(result)
        if result.row.part + 1 >= (result.row.parts or 1):
            self._file.write(dump(self._line(self._parts)).encode() + b"\n")
            self._parts = []

    def close(self) -> None:
        """Nothing is held back."""

    def _line(self, parts: list[Result]) -> dict[str, Any]:
        row = parts[0].row
        # Made from the row, not drawn at random: the same run writes the same bytes.
        name = hashlib.blake2b(f"{row.number}\0{row.id}".encode(), digest_size=12).hexdigest()
        line: dict[str, Any] = {"id": f"batch_req_{name}", "custom_id": row.id}
        failures = [part.prediction.error for part in parts if part.prediction.answer is None]
        # Questions side by side fail each for itself, and the line only with all of them.
        failure = next(filter(None, failures), None)
        if failure is not None and (row.question is None or len(failures) == len(parts)):
            return line | {"response": None, "error": {"code": failure.code, "message": failure.message}}
        body = self._completion(name, row.chat, parts) if row.chat else self._predictions(parts)
        return line | {"response": {"status_code": 200, "request_id": f"req_{name}", "body": body}, "error": None}

    def _completion(self, name: str, asked: ModelRequest, parts: list[Result]) -> dict[str, Any]:
        completions = []
        for part in parts:
            cost = part.usage or Usage(0, 0, "stop")
            ending = (cost.finish_reason, cost.prompt_tokens, cost.output_tokens)
            completions.append(Completion("", part.prediction.answer or "", *ending, logprobs=cost.logprobs))
        # The time of day would make every run's file another one.
        return asked.body(name, 0, completions)

    def _predictions(self, parts: list[Result]) -> dict[str, Any]:
        rows = [prediction_row(part.prediction, self._header.prompts) for part in parts]
        row = parts[0].row
        if row.parts is None:
            return rows[0]
        for one in rows:
            del one["prompts"]
        return {"model": row.model or self._header.model, "prompts": self._header.prompts, "predictions": rows}


def _rows(raw: RawRow, number: int) -> list[Row]:
    custom_id = raw.values.get("custom_id")
    identity = custom_id if isinstance(custom_id, str) and encodes(custom_id) else raw.where
    if raw.fault is not None:
        return [Row(number, identity, failure=raw.fault, where=raw.where)]
    try:
        asked = read_line(raw.values)
        if asked.url in MODELS:
            chat = read_body(MODELS[asked.url], asked.body)
            chat.check(LIMITS, in_batch=True)
            parts = chat.parts
            return [Row(number + n, identity, chat=chat, part=n, parts=parts, where=raw.where) for n in range(parts)]
        request, alone = read_predict_line(identity, asked.body)
    except RequestError as refusal:
        failure = Failure(refusal.code, f"{raw.where}: {refusal.detail}")
        return [Row(number, identity, failure=failure, where=raw.where)]
    return [
        Row(
            number + part,
            identity,
            Question(name, body.prompt, body.is_multiple_choice),
            task_type=body.task_type,
            model=request.model,
            part=part,
            parts=None if alone else len(request.questions),
            where=raw.where,
        )
        for part, (name, body) in enumerate(zip(request.ids, request.questions, strict=True))
    ]


def _answers(line: bytes) -> int:
    # Questions have a prompt too, and always one.
    several = b'"n"' in line or b'"questions"' in line or (b'"prompt"' in line and b"completions" in line)
    if not several:
        return 1
    try:
        return len(_rows(RawRow("", json.loads(line)), 0))
    except (ValueError, RecursionError):
        return 1


OPENAI_BATCH = Format("openai", as_they_arrive(read), count, OpenAIBatchWriter)
